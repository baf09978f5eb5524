using System;
using System.Net;
using System.Security;
using System.Web.Services.Protocols;
using System.Xml;
using Example;

/// <summary>
/// Subscribes two people and reads them from a grid, over the document API, the way integrations of .NET do. See ../README.md.
/// </summary>
static class Sample
{
    const string Namespace = "http://partner.informz.net/aapi/2009/08/";

    static string Setting(string name, string otherwise)
    {
        return Environment.GetEnvironmentVariable(name) ?? otherwise;
    }

    /// <summary>Sends one document and answers the inner document of the answer.</summary>
    static XmlDocument Post(InformzWebService service, string root, string list, string content)
    {
        string x = "<" + root + " xmlns=\"" + Namespace + "\">"
            + "<Password>" + SecurityElement.Escape(Setting("GATEWAYCLIENT_PASSWORD", "")) + "</Password>"
            + "<Brand id=\"" + SecurityElement.Escape(Setting("GATEWAYCLIENT_BRAND", "9999")) + "\">Association</Brand>"
            + "<User>" + SecurityElement.Escape(Setting("GATEWAYCLIENT_USER", "apiuser")) + "</User>"
            + "<" + list + ">" + content + "</" + list + "></" + root + ">";
        var answer = new XmlDocument();
        answer.LoadXml(service.PostInformzMessage(x));
        return answer;
    }

    /// <summary>What a refused call says.</summary>
    static string Said(SoapException fault)
    {
        XmlNode detail = fault.Detail == null ? null : fault.Detail.FirstChild;
        return detail == null ? fault.Message
            : detail["Code", Namespace].InnerText + ": " + detail["Message", Namespace].InnerText;
    }

    static void Subscribe(InformzWebService service)
    {
        XmlDocument answer = Post(service, "ActionRequest", "Actions",
            "<Subscribe><InterestDetails><InterestNames><InterestName>AAPI C# sample</InterestName></InterestNames>"
            + "<InterestAction>AddOrUpdateSubscribers</InterestAction></InterestDetails><SubscriberData><Subscribers>"
            + "<Subscriber><Email>ann.aapics@example.org</Email><ID>9201</ID>"
            + "<Fields><Field element=\"First_Name\">Zo\u00eb &amp; Ann</Field></Fields></Subscriber>"
            + "<Subscriber><Email>bo.aapics@example.org</Email><ID>9202</ID></Subscriber>"
            + "</Subscribers></SubscriberData></Subscribe>");
        Console.WriteLine("{0}: {1} new", answer.GetElementsByTagName("Status")[0].InnerText,
                          answer.GetElementsByTagName("NewSubscriberCount")[0].InnerText);
    }

    static void BeRefused(InformzWebService service)
    {
        try
        {
            Post(service, "ActionRequest", "Actions", "<Surprise/>");
        }
        catch (SoapException fault)
        {
            Console.WriteLine("caught " + Said(fault));
        }
    }

    static void ReadGrid(InformzWebService service)
    {
        XmlDocument answer = Post(service, "GridRequest", "Grids",
            "<Grid type=\"subscriber\"><Conditions><Condition><Collection><DataElement>Email</DataElement>"
            + "<DataValue>ann.aapics@example.org</DataValue><DataValue>bo.aapics@example.org</DataValue>"
            + "<SetOperator>IN</SetOperator></Collection></Condition></Conditions><ReturnFields>"
            + "<DataElement>Email</DataElement><DataElement>user_id</DataElement></ReturnFields>"
            + "<SortField order=\"asc\">Email</SortField></Grid>");
        foreach (XmlNode record in answer.GetElementsByTagName("Record"))
        {
            XmlNodeList fields = ((XmlElement)record).GetElementsByTagName("Field");
            Console.WriteLine("{0}: {1} {2}", record.Attributes["row"].Value, fields[0].InnerText, fields[1].InnerText);
        }
    }

    static int Main()
    {
        var service = new InformzWebService
        {
            Url = Setting("GATEWAYCLIENT_URL", "http://127.0.0.1:8080/aapi/InformzService.svc"),
            Timeout = 60000
        };
        try
        {
            Subscribe(service);
            BeRefused(service);
            ReadGrid(service);
            return 0;
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
