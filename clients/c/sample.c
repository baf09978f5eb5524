/* Imports three people, mails to them and prints the report, with the code that gSOAP generates. See README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "GatewaySoap.nsmap"
#include "soapH.h"

#define INTEREST "C sample"
#define COUNT(items) ((int)(sizeof(items) / sizeof(*(items))))

static struct soap *soap;
static struct ns1__Credentials who;
static const char *url;

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}

/* gSOAP frees the header with the call before: set it for each. */
static struct soap *ready(void) {
    soap_header(soap);
    soap->header->ns1__Credentials = &who;
    return soap;
}

/* What a refused call says: the detail is one GatewayFault; else the fault is not ours, or nothing answered. */
static void say(FILE *where, const char *before) {
    struct SOAP_ENV__Detail *detail = NULL;
    if (soap->fault)
        detail = soap->fault->SOAP_ENV__Detail ? soap->fault->SOAP_ENV__Detail : soap->fault->detail;
    if (detail && detail->ns1__GatewayFault)
        fprintf(where, "%s%s: %s\n", before, detail->ns1__GatewayFault->code, detail->ns1__GatewayFault->message);
    else {
        fputs(before, where);
        soap_print_fault(soap, where);
    }
}

static int import_people(void) {
    struct ns1__RecordField first_name = {.name = "FirstName", .value = "Zo\xc3\xab & Ann"};
    struct ns1__SubscriberRecord people[] = {
        {.remoteId = "c-1", .email = "ann.c@example.org", .__sizefield = 1, .field = &first_name},
        {.remoteId = "c-2", .email = "bo.c@example.org"},
        {.remoteId = "c-3", .email = "not an address"},
    };
    char *interests[] = {INTEREST};
    struct ns1__ImportSubscribers request = {
        .mode = ns1__ImportMode__AddOrUpdate, .__sizeinterest = 1, .interest = interests,
        .__sizerecord = COUNT(people), .record = people};
    struct ns1__ImportSubscribersResponse response;
    if (soap_call___ns1__ImportSubscribers(ready(), url, NULL, &request, &response))
        return soap->error;
    printf("received %d, failed %d\n", response.answer->received, response.answer->failed);
    for (int i = 0; i < response.answer->__sizeresult; i++) {
        struct ns1__RecordResult *result = &response.answer->result[i];
        if (result->code)
            printf("record %d: %s: %s\n", result->index, result->code, result->message);
    }
    return SOAP_OK;
}

static void be_refused(void) {
    struct ns1__GetMailing request = {.mailingId = "999999999"};
    struct ns1__GetMailingResponse response;
    if (soap_call___ns1__GetMailing(ready(), url, NULL, &request, &response))
        say(stdout, "caught ");
}

static int send_mailing(char **instance) {
    char *interests[] = {INTEREST};
    struct ns1__CreateMailing draft = {
        .name = "C sample", .subject = "Hello from C", .fromAddress = "news@example.org",
        .html = "<p>Dear {{ FirstName | default(\"member\") }}, hello.</p>",
        .__sizeinterest = 1, .interest = interests};
    struct ns1__CreateMailingResponse created;
    struct ns1__SendMailing request = {0};
    struct ns1__SendMailingResponse sent;
    if (soap_call___ns1__CreateMailing(ready(), url, NULL, &draft, &created))
        return soap->error;
    request.mailingId = created.answer->mailingId;
    if (soap_call___ns1__SendMailing(ready(), url, NULL, &request, &sent))
        return soap->error;
    *instance = sent.answer->instanceId;
    printf("mailing %s, instance %s\n", created.answer->mailingId, *instance);
    return SOAP_OK;
}

static int report(char *instance, int *done) {
    struct ns1__GetMailingReport request = {.instanceId = instance};
    struct ns1__GetMailingReportResponse response;
    struct ns1__MailingReport *figures = NULL;
    for (time_t deadline = time(NULL) + 60; !*done && time(NULL) < deadline; usleep(200000)) {
        if (soap_call___ns1__GetMailingReport(ready(), url, NULL, &request, &response))
            return soap->error;
        figures = response.answer;
        *done = figures->targeted > 0 && figures->pending == 0;
    }
    printf("targeted %d, sent %d, delivered %d\n", figures->targeted, figures->sent, figures->delivered);
    return SOAP_OK;
}

int main(void) {
    char *instance = NULL;
    int done = 0, failed;
    url = setting("GATEWAYCLIENT_URL", "http://127.0.0.1:8080/soap/v1");
    who.brandId = (char *)setting("GATEWAYCLIENT_BRAND", "9999");
    who.userName = (char *)setting("GATEWAYCLIENT_USER", "apiuser");
    who.password = (char *)setting("GATEWAYCLIENT_PASSWORD", "");
    soap = soap_new1(SOAP_C_UTFSTRING | SOAP_XML_STRICT);
    soap->connect_timeout = 10;
    soap->send_timeout = soap->recv_timeout = 60;

    failed = import_people();
    if (!failed) {
        be_refused();
        failed = send_mailing(&instance) || report(instance, &done);
    }
    if (failed)
        say(stderr, "");
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return failed || !done;
}
