package ext

import java.io.{InputStream, OutputStream}
import java.net.{InetAddress, ServerSocket, Socket}
import java.util.{Base64, Properties}
import java.util.concurrent.ConcurrentHashMap

import org.apache.kafka.common.message.{SaslAuthenticateRequestData, SaslHandshakeRequestData}
import org.apache.kafka.common.requests._
import org.apache.kafka.common.security.auth.{KafkaPrincipalBuilder, PlaintextAuthenticationContext}

import scala.jdk.CollectionConverters._

/** Plug-in classes of tests that a broker which runs no Java can do without: their answers are known from the listener or the certificate. */
object Substitutes {
  /** Who somebody is depends on the listener, or on what the test says at that moment. See Front. */
  private val byListener = Set("AbstractAuthorizerIntegrationTest$PrincipalBuilder", "ControllerMutationQuotaTest$TestPrincipalBuilder",
    "PlaintextEndToEndAuthorizationTest$TestClientPrincipalBuilder", "PlaintextEndToEndAuthorizationTest$TestServerPrincipalBuilder",
    "DescribeCredentialsTest$TestPrincipalBuilderReturningAuthorized", "DescribeCredentialsTest$TestPrincipalBuilderReturningUnauthorized")
  /** Who somebody is depends on the certificate: the same in rules. */
  private val rules = Map("SslEndToEndAuthorizationTest$TestPrincipalBuilder" -> "RULE:^O=A server,CN=.*$/server/,RULE:^O=A .*,CN=super-user$/server/,DEFAULT")
  private val key = "principal.builder.class"
  private def simple(c: String) = c.split('.').last

  /** The builder of a plaintext listener that wants a front. */
  def front(p: Properties, listener: String): Option[String] =
    Option(p.getProperty(s"listener.name.${listener.toLowerCase}.$key", p.getProperty(key))).filter(c => byListener(simple(c)))

  /** Takes out what has a substitute; the rest is for the broker to refuse. */
  def apply(p: Properties): Unit = p.stringPropertyNames().asScala.filter(_.endsWith(key)).foreach { k =>
    val c = simple(p.getProperty(k))
    if (byListener(c)) p.remove(k)
    rules.get(c).foreach { r => p.remove(k); p.setProperty("ssl.principal.mapping.rules", r) }
  }
  /** What a listener behind a front is: one that takes tokens without a signature. */
  def behind(p: Properties, listener: String): Unit = {
    val prefix = s"listener.name.${listener.toLowerCase}."
    p.setProperty(prefix + "sasl.enabled.mechanisms", "OAUTHBEARER")
    p.setProperty(prefix + "oauthbearer.sasl.jaas.config",
      "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"front\";")
    p.setProperty("sasl.mechanism.inter.broker.protocol", "OAUTHBEARER")
  }
}

/**
 * A plaintext port whose connections reach the broker as those of the principal that the test's own builder names: the front asks that class, logs in
 * at the broker's SASL listener with a token for its answer, and then hands bytes on in both directions.
 */
class Front(port: Int, behind: Int, listener: String, builderClass: String) {
  private val builder = Class.forName(builderClass).getDeclaredConstructor().newInstance().asInstanceOf[KafkaPrincipalBuilder]
  private val server = new ServerSocket(port, 200, InetAddress.getByName("localhost"))
  private val open: java.util.Set[Socket] = ConcurrentHashMap.newKeySet[Socket]()
  thread(() => while (!server.isClosed) { try { val s = server.accept(); open.add(s); thread(() => serve(s)) } catch { case _: java.io.IOException => } })

  def close(): Unit = { server.close(); open.asScala.foreach(shut) }
  private def shut(s: Socket): Unit = { open.remove(s); try s.close() catch { case _: java.io.IOException => } }
  private def thread(f: () => Unit): Unit = { val t = new Thread(() => f(), "ext-front"); t.setDaemon(true); t.start() }

  private def serve(client: Socket): Unit = try {
    val name = builder.build(new PlaintextAuthenticationContext(client.getInetAddress, listener)).getName
    val broker = login(name)
    open.add(broker)
    Seq(client, broker).foreach(_.setTcpNoDelay(true))
    thread(() => pump(client, broker))
    pump(broker, client)
  } catch { case _: Exception => shut(client) }

  private def pump(from: Socket, to: Socket): Unit = {
    val (in: InputStream, out: OutputStream) = (from.getInputStream, to.getOutputStream)
    val b = new Array[Byte](65536)
    try { var n = in.read(b); while (n >= 0) { out.write(b, 0, n); n = in.read(b) } } catch { case _: java.io.IOException => }
    shut(from); shut(to)
  }

  private def login(name: String): Socket = {
    val rpc = new Rpc(behind)
    def part(json: String) = Base64.getUrlEncoder.withoutPadding().encodeToString(json.getBytes("UTF-8"))
    val now = System.currentTimeMillis() / 1000
    val token = part("{\"alg\":\"none\"}") + "." + part(s"""{"sub":"$name","iat":$now,"exp":${now + 36000}}""") + "."
    val h = rpc.call[SaslHandshakeResponse](new SaslHandshakeRequest.Builder(new SaslHandshakeRequestData().setMechanism("OAUTHBEARER")).build(1.toShort))
    val a = if (h.error().code() != 0) h.error() else rpc.call[SaslAuthenticateResponse](new SaslAuthenticateRequest.Builder(
      new SaslAuthenticateRequestData().setAuthBytes(s"n,,\u0001auth=Bearer $token\u0001\u0001".getBytes("UTF-8"))).build(2.toShort)).error()
    if (a.code() != 0) { rpc.close(); throw new java.io.IOException("the front was not let in: " + a) }
    rpc.release()
  }
}
