import java.net.URL;
import org.example.aapi.*;

/** Posts each argument but the first, a document, to the address that the first names. */
public class AxisPost {
    public static void main(String[] arguments) throws Exception {
        IInformzWebServiceContract port = new InformzWebServiceLocator()
            .getBasicHttpBinding_IInformzWebServiceContract(new URL(arguments[0]));
        for (int i = 1; i < arguments.length; i++) {
            try {
                System.out.println(port.postInformzMessage(arguments[i]));
            } catch (InformzServiceFault refused) {
                System.out.println("fault " + refused.getCode());
            }
        }
    }
}
