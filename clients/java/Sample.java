import java.util.List;
import java.util.Map;
import javax.xml.ws.BindingProvider;
import javax.xml.ws.WebServiceException;
import org.example.gateway.*;

/** Imports three people, mails to them and prints the report, with the code that wsimport generates. See README.md. */
public class Sample {
    private static final String INTEREST = "Java sample";
    private final Gateway gateway = new Gateway_Service().getGatewaySoap();
    private final Credentials who = new Credentials();

    private Sample() {
        Map<String, Object> context = ((BindingProvider) gateway).getRequestContext();
        context.put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY,
            setting("GATEWAYCLIENT_URL", "http://127.0.0.1:8080/soap/v1"));
        context.put("com.sun.xml.ws.connect.timeout", 10_000);
        context.put("com.sun.xml.ws.request.timeout", 60_000);
        who.setBrandId(setting("GATEWAYCLIENT_BRAND", "9999"));
        who.setUserName(setting("GATEWAYCLIENT_USER", "apiuser"));
        who.setPassword(setting("GATEWAYCLIENT_PASSWORD", ""));
    }

    private static String setting(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    private static SubscriberRecord person(String remoteId, String email) {
        SubscriberRecord person = new SubscriberRecord();
        person.setRemoteId(remoteId);
        person.setEmail(email);
        return person;
    }

    private void importPeople() throws GatewayFault_Exception {
        RecordField firstName = new RecordField();
        firstName.setName("FirstName");
        firstName.setValue("Zo\u00eb & Ann");
        ImportSubscribers request = new ImportSubscribers();
        request.setMode(ImportMode.ADD_OR_UPDATE);
        request.getInterest().add(INTEREST);
        SubscriberRecord ann = person("java-1", "ann.java@example.org");
        ann.getField().add(firstName);
        request.getRecord().addAll(List.of(
            ann, person("java-2", "bo.java@example.org"), person("java-3", "not an address")));
        BatchResult imported = gateway.importSubscribers(request, who).getAnswer();
        System.out.printf("received %d, failed %d%n", imported.getReceived(), imported.getFailed());
        for (RecordResult result : imported.getResult()) {
            if (result.getStatus().equals("failed")) {
                System.out.printf("record %d: %s: %s%n", result.getIndex(), result.getCode(), result.getMessage());
            }
        }
    }

    private void beRefused() {
        GetMailing request = new GetMailing();
        request.setMailingId("999999999");
        try {
            gateway.getMailing(request, who);
        } catch (GatewayFault_Exception refused) {
            System.out.println("caught " + said(refused));
        }
    }

    private String send() throws GatewayFault_Exception {
        CreateMailing draft = new CreateMailing();
        draft.setName("Java sample");
        draft.setSubject("Hello from Java");
        draft.setFromAddress("news@example.org");
        draft.setHtml("<p>Dear {{ FirstName | default(\"member\") }}, hello.</p>");
        draft.getInterest().add(INTEREST);
        SendMailing request = new SendMailing();
        request.setMailingId(gateway.createMailing(draft, who).getAnswer().getMailingId());
        String instance = gateway.sendMailing(request, who).getAnswer().getInstanceId();
        System.out.printf("mailing %s, instance %s%n", request.getMailingId(), instance);
        return instance;
    }

    private boolean report(String instance) throws GatewayFault_Exception, InterruptedException {
        GetMailingReport request = new GetMailingReport();
        request.setInstanceId(instance);
        MailingReport report;
        boolean done;
        long deadline = System.currentTimeMillis() + 60_000;
        do {
            Thread.sleep(200);
            report = gateway.getMailingReport(request, who).getAnswer();
            done = report.getTargeted() > 0 && report.getPending() == 0;
        } while (!done && System.currentTimeMillis() < deadline);
        System.out.printf("targeted %d, sent %d, delivered %d%n",
            report.getTargeted(), report.getSent(), report.getDelivered());
        return done;
    }

    private static String said(GatewayFault_Exception refused) {
        return refused.getFaultInfo().getCode() + ": " + refused.getFaultInfo().getMessage();
    }

    public static void main(String[] arguments) throws InterruptedException {
        try {
            Sample sample = new Sample();
            sample.importPeople();
            sample.beRefused();
            System.exit(sample.report(sample.send()) ? 0 : 1);
        } catch (GatewayFault_Exception refused) {
            System.err.println(said(refused));
        } catch (WebServiceException failed) {
            System.err.println(failed.getMessage());
        }
        System.exit(1);
    }
}
