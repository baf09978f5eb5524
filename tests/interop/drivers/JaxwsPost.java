import java.util.Map;
import javax.xml.ws.BindingProvider;
import org.example.aapi.*;

/** Posts each argument but the first, a document, to the address that the first names. */
public class JaxwsPost {
    public static void main(String[] arguments) {
        IInformzWebServiceContract port = new InformzWebService().getBasicHttpBindingIInformzWebServiceContract();
        Map<String, Object> context = ((BindingProvider) port).getRequestContext();
        context.put(BindingProvider.ENDPOINT_ADDRESS_PROPERTY, arguments[0]);
        context.put("com.sun.xml.ws.transport.http.client.streaming.chunk.size", 4096);
        for (int i = 1; i < arguments.length; i++) {
            try {
                System.out.println(port.postInformzMessage(arguments[i]));
            } catch (InformzServiceFault_Exception refused) {
                System.out.println("fault " + refused.getFaultInfo().getCode());
            }
        }
    }
}
