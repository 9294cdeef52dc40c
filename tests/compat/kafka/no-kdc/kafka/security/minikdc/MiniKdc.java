package kafka.security.minikdc;

import java.io.File;
import java.util.List;
import java.util.Properties;

import org.opentest4j.TestAbortedException;

/** Stands where Kafka's own would want ApacheDS: every class of tests with SASL names it, and only those with Kerberos start it. Those are skipped. */
public class MiniKdc {
    public static Properties createConfig() {
        return new Properties();
    }

    public MiniKdc(Properties config, File folder) {
        throw new TestAbortedException("needs a Kerberos server: KDC_LIBS is not set");
    }

    public void start() {
    }

    public void stop() {
    }

    public void createPrincipal(File keytab, List<String> principals) {
    }
}
