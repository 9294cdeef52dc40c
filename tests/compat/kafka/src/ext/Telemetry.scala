package ext

import java.net.{HttpURLConnection, URI}
import java.util

import com.yammer.metrics.core.{Gauge, Histogram, Metric, MetricName => YammerName, MetricsRegistry}
import javax.management.{Attribute, MBeanServerConnection, ObjectName}
import javax.management.remote.{JMXConnector, JMXConnectorFactory, JMXServiceURL}
import org.apache.kafka.common.MetricName
import org.apache.kafka.common.metrics.{MetricConfig, Metrics, Gauge => KafkaGauge}
import org.apache.kafka.common.utils.Sanitizer
import org.apache.kafka.server.metrics.KafkaYammerMetrics

import scala.jdk.CollectionConverters._

/** One number that a broker tells of itself, under the name that Apache Kafka's metrics have. */
case class Sample(name: String, group: String, tags: Map[String, String], value: Double)

/** How the numbers of a process are read. EXT_METRICS says which: `prometheus` or `jmx`; the broker command serves them on EXT_METRICS_PORT. */
trait Telemetry {
  def read(): Seq[Sample]
  def close(): Unit
}

object Telemetry {
  val kind: String = Option(System.getenv("EXT_METRICS")).getOrElse("")
  def of(port: Int): Telemetry = kind match {
    case "prometheus" => new Prometheus(port)
    case "jmx" => new Jmx(port)
    case _ => Ext.unsupported("metrics: EXT_METRICS is not set")
  }
  val sockets: Seq[String] = Seq("successful-authentication-total", "failed-authentication-total", "successful-reauthentication-total",
    "failed-reauthentication-total", "expired-connections-killed-count", "connection-count")
  val quotas: Seq[String] = Seq("Produce", "Fetch", "Request", "ControllerMutation")
  val throttled: Seq[String] = Seq("Produce", "FetchConsumer")
}

/** Ottla's own names, translated. */
class Prometheus(port: Int) extends Telemetry {
  private val line = """(\w+)(?:\{(.*)\})? (\S+)""".r
  private val label = """(\w+)="((?:[^"\\]|\\.)*)"""".r
  private val socket = "kafka_server_socketservermetrics_"
  private val quota = "kafka_server_quota_"

  override def close(): Unit = ()
  override def read(): Seq[Sample] = {
    val c = URI.create(s"http://127.0.0.1:$port/metrics").toURL.openConnection().asInstanceOf[HttpURLConnection]
    c.setConnectTimeout(2000); c.setReadTimeout(5000)
    val text = try new String(c.getInputStream.readAllBytes(), "UTF-8") finally c.disconnect()
    text.linesIterator.filterNot(_.startsWith("#")).flatMap {
      case line(name, labels, value) =>
        val l = label.findAllMatchIn(String.valueOf(labels)).map(m => m.group(1) -> m.group(2).replaceAll("\\\\(.)", "$1")).toMap
        translated(name, l, value.toDoubleOption.getOrElse(Double.NaN))
      case _ => None
    }.toSeq
  }
  private def translated(name: String, l: Map[String, String], value: Double): Option[Sample] = name match {
    case n if n == socket + "expiredconnectionskilled_total" => Some(Sample("expired-connections-killed-count", "socket-server-metrics", l, value))
    case n if n.startsWith(socket) => Some(Sample(n.substring(socket.length).replace('_', '-'), "socket-server-metrics", l, value))
    case n if n.startsWith(quota) =>
      val tags = Map("user" -> Sanitizer.sanitize(l("user")), "client-id" -> l("clientId"))
      val what = n.substring(quota.length).replace('_', '-')
      // Apache Kafka's mean of nothing is no number.
      Some(Sample(what, l("resource"), tags, if (what == "throttle-time" && value == 0) Double.NaN else value))
    case "ottla_quota_exempt_request_seconds_total" if value > 0 => Some(Sample("exempt-request-time", "Request", Map.empty, value))
    // Apache Kafka has a histogram; tests ask whether its largest value is above zero, and so is the sum then.
    case "ottla_quota_throttled_seconds_total" if l("resource") == "Produce" => Some(Sample("ThrottleTimeMs", "RequestMetrics", Map("request" -> "Produce"), value * 1000))
    case "ottla_quota_throttled_seconds_total" if l("resource") == "Fetch" => Some(Sample("ThrottleTimeMs", "RequestMetrics", Map("request" -> "FetchConsumer"), value * 1000))
    case _ => None
  }
}

/** Apache Kafka's. */
class Jmx(port: Int) extends Telemetry {
  private var connector: JMXConnector = _
  private def server(): MBeanServerConnection = {
    if (connector == null) connector = JMXConnectorFactory.connect(new JMXServiceURL(s"service:jmx:rmi:///jndi/rmi://127.0.0.1:$port/jmxrmi"))
    connector.getMBeanServerConnection
  }
  override def close(): Unit = { if (connector != null) try connector.close() catch { case _: Exception => }; connector = null }

  private def number(a: Any): Option[Double] = a match { case n: Number => Some(n.doubleValue()); case _ => None }
  private def of(s: MBeanServerConnection, pattern: String, attributes: Seq[String])(as: (ObjectName, String, Double) => Sample): Seq[Sample] =
    s.queryNames(new ObjectName(pattern), null).asScala.toSeq.flatMap { o =>
      s.getAttributes(o, attributes.toArray).asList().asScala.collect { case a: Attribute => number(a.getValue).map(as(o, a.getName, _)) }.flatten
    }
  private def tags(o: ObjectName): Map[String, String] = new util.HashMap[String, String](o.getKeyPropertyList).asScala.toMap.removed("type").map { case (k, v) =>
    k -> (if (v.startsWith("\"")) ObjectName.unquote(v) else v) }

  override def read(): Seq[Sample] = try {
    val s = server()
    of(s, "kafka.server:type=socket-server-metrics,*", Telemetry.sockets)((o, a, v) => Sample(a, "socket-server-metrics", tags(o), v)) ++
      Telemetry.quotas.flatMap(q => of(s, s"kafka.server:type=$q,*", Seq("byte-rate", "throttle-time", "request-time", "exempt-request-time", "tokens"))((o, a, v) => Sample(a, q, tags(o), v))) ++
      Telemetry.throttled.flatMap(r => of(s, s"kafka.network:type=RequestMetrics,name=ThrottleTimeMs,request=$r", Seq("Max"))((_, _, v) => Sample("ThrottleTimeMs", "RequestMetrics", Map("request" -> r), v)))
  } catch { case e: java.io.IOException => close(); throw e }
}

/** The metrics of a broker as tests look for them: a registry whose numbers are asked for in the process. */
class ExtMetrics(node: => ExtNode) {
  private val registry = new Metrics()
  def fresh(): Metrics = synchronized {
    node.samples().filter(_.group != "RequestMetrics").foreach { s =>
      val n = new MetricName(s.name, s.group, "", s.tags.asJava)
      if (registry.metric(n) == null) registry.addMetric(n, new KafkaGauge[java.lang.Double] {
        override def value(c: MetricConfig, now: Long): java.lang.Double =
          Double.box(node.samples().find(x => x.name == s.name && x.group == s.group && x.tags == s.tags).map(_.value).getOrElse(0.0))
      })
    }
    registry
  }
}

/** The registry of the test's JVM gets what tests look for in it. Test kits clear it before each test. */
object Yammer {
  private def total(name: String, tags: Map[String, String]): Double = ExtCluster.all.values().asScala.flatMap(_.nodes.values().asScala).filter(_.alive).toSeq
    .flatMap(n => try n.samples() catch { case _: Exception => Seq.empty }).filter(s => s.name == name && tags.forall { case (k, v) => s.tags.get(k).contains(v) }).map(_.value).sum

  private def add(n: YammerName, m: Metric): Unit = {
    val put = classOf[MetricsRegistry].getDeclaredMethod("getOrAdd", classOf[YammerName], classOf[Metric])
    put.setAccessible(true)
    put.invoke(KafkaYammerMetrics.defaultRegistry, n, m)
  }

  def register(): Unit = if (Telemetry.kind.nonEmpty) {
    val killed = new Gauge[java.lang.Double] { override def value(): java.lang.Double = total("expired-connections-killed-count", Map.empty) }
    KafkaYammerMetrics.defaultRegistry.newGauge(KafkaYammerMetrics.getMetricName("kafka.network", "SocketServer", "ExpiredConnectionsKilledCount"), killed)
    Telemetry.throttled.foreach { r =>
      val tags = new util.LinkedHashMap[String, String]()
      tags.put("request", r)
      add(KafkaYammerMetrics.getMetricName("kafka.network", "RequestMetrics", "ThrottleTimeMs", tags), Mocks.only(classOf[Histogram]) {
        case ("processWith", _) => null
        case ("max", _) => java.lang.Double.valueOf(total("ThrottleTimeMs", Map("request" -> r)))
      })
    }
  }
}
