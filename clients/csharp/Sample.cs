using System;
using System.Net;
using System.Threading;
using System.Web.Services.Protocols;
using System.Xml;
using Example;

/// <summary>Imports three people, mails to them and prints the report, with the proxy that wsdl.exe generates. See README.md.</summary>
static class Sample
{
    const string Interest = "C# sample";

    static string Setting(string name, string otherwise)
    {
        return Environment.GetEnvironmentVariable(name) ?? otherwise;
    }

    /// <summary>What a refused call says: the detail is one GatewayFault, unless the fault is not ours.</summary>
    static string Said(SoapException fault)
    {
        XmlNode detail = fault.Detail == null ? null : fault.Detail.FirstChild;
        return detail == null ? fault.Message : detail["code", "urn:gateway:v1"].InnerText + ": " + detail["message", "urn:gateway:v1"].InnerText;
    }

    static void ImportPeople(Gateway gateway)
    {
        var people = new[] {
            new SubscriberRecord { remoteId = "cs-1", email = "ann.cs@example.org",
                                   field = new[] { new RecordField { name = "FirstName", value = "Zo\u00eb & Ann" } } },
            new SubscriberRecord { remoteId = "cs-2", email = "bo.cs@example.org" },
            new SubscriberRecord { remoteId = "cs-3", email = "not an address" }
        };
        // Optional values are two arguments: the value, and whether it is given.
        var imported = gateway.ImportSubscribers(null, ImportMode.AddOrUpdate, 0, false, new[] { Interest },
                                                 false, false, 0, false, null, null, people);
        Console.WriteLine("received {0}, failed {1}", imported.received, imported.failed);
        foreach (var result in imported.result)
            if (result.status == "failed")
                Console.WriteLine("record {0}: {1}: {2}", result.index, result.code, result.message);
    }

    static void BeRefused(Gateway gateway)
    {
        try
        {
            gateway.GetMailing("999999999");
        }
        catch (SoapException fault)
        {
            Console.WriteLine("caught " + Said(fault));
        }
    }

    static string Send(Gateway gateway)
    {
        var mailing = gateway.CreateMailing(
            null, "C# sample", "Hello from C#", null, "news@example.org", null,
            "<p>Dear {{ FirstName | default(\"member\") }}, hello.</p>", null, new[] { Interest }, null,
            false, false, false, false, false, false, null);
        var instance = gateway.SendMailing(null, mailing.mailingId, DateTime.UtcNow, false, false, false);
        Console.WriteLine("mailing {0}, instance {1}", mailing.mailingId, instance.instanceId);
        return instance.instanceId;
    }

    static bool Report(Gateway gateway, string instance)
    {
        MailingReport report;
        bool done;
        var deadline = DateTime.UtcNow.AddSeconds(60);
        do
        {
            Thread.Sleep(200);
            report = gateway.GetMailingReport(instance, null);
            done = report.targeted > 0 && report.pending == 0;
        } while (!done && DateTime.UtcNow < deadline);
        Console.WriteLine("targeted {0}, sent {1}, delivered {2}", report.targeted, report.sent, report.delivered);
        return done;
    }

    static int Main()
    {
        var gateway = new Gateway
        {
            Url = Setting("GATEWAYCLIENT_URL", "http://127.0.0.1:8080/soap/v1"),
            Timeout = 60000,
            CredentialsValue = new Credentials
            {
                brandId = Setting("GATEWAYCLIENT_BRAND", "9999"),
                userName = Setting("GATEWAYCLIENT_USER", "apiuser"),
                password = Setting("GATEWAYCLIENT_PASSWORD", "")
            }
        };
        try
        {
            ImportPeople(gateway);
            BeRefused(gateway);
            return Report(gateway, Send(gateway)) ? 0 : 1;
        }
        catch (SoapException fault)
        {
            Console.Error.WriteLine(Said(fault));
        }
        catch (WebException failed)
        {
            Console.Error.WriteLine(failed.Message);
        }
        return 1;
    }
}
