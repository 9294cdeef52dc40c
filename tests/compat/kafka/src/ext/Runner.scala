package ext

import java.io.{FileWriter, PrintWriter}
import java.lang.reflect.Method
import java.util.Optional
import java.util.concurrent.ConcurrentHashMap

import org.junit.jupiter.api.extension._
import org.junit.platform.engine.TestExecutionResult
import org.junit.platform.engine.discovery.{ClassNameFilter, DiscoverySelectors}
import org.junit.platform.engine.support.descriptor.{ClassSource, MethodSource}
import org.junit.platform.launcher.{EngineFilter, TestExecutionListener, TestIdentifier}
import org.junit.platform.launcher.core.{LauncherConfig, LauncherDiscoveryRequestBuilder, LauncherFactory}

import scala.jdk.CollectionConverters._
import scala.jdk.OptionConverters._

/** Registered for every test: tells the stand-ins which test runs and when its body has ended. */
class ExtExtension extends BeforeEachCallback with AfterEachCallback with AfterAllCallback with InvocationInterceptor with ExecutionCondition {
  override def beforeEach(c: ExtensionContext): Unit =
    Ext.beginTest(c.getRequiredTestClass.getSimpleName + "." + c.getRequiredTestMethod.getName, c.getTestInstance.orElse(null))
  override def afterEach(c: ExtensionContext): Unit = {
    Ext.current.finishing = true
    ExtCluster.reap(classLevelToo = false, keepFiles = Ext.keepLogs && c.getExecutionException.isPresent, passed = !c.getExecutionException.isPresent)
    Ext.endTest()
  }
  override def afterAll(c: ExtensionContext): Unit = ExtCluster.reap(classLevelToo = true, keepFiles = false, passed = false)
  private def run(i: InvocationInterceptor.Invocation[Void]): Unit = try i.proceed() finally Ext.current.finishing = true
  override def interceptTestMethod(i: InvocationInterceptor.Invocation[Void], r: ReflectiveInvocationContext[Method], c: ExtensionContext): Unit = run(i)
  override def interceptTestTemplateMethod(i: InvocationInterceptor.Invocation[Void], r: ReflectiveInvocationContext[Method], c: ExtensionContext): Unit = run(i)

  override def interceptAfterEachMethod(i: InvocationInterceptor.Invocation[Void], r: ReflectiveInvocationContext[Method], c: ExtensionContext): Unit = { Ext.current.finishing = true; i.proceed() }

  /** A cluster test of both types would run twice on the same external node: keep one ("isolated"). */
  private val skip = Option(System.getenv("EXT_SKIP")).getOrElse("")
  private val skipRows = Option(System.getenv("EXT_SKIP_FILE")).toSeq.flatMap(f => java.nio.file.Files.readAllLines(java.nio.file.Paths.get(f)).asScala)
    .filter(_.nonEmpty).map(_.r.pattern)
  private val oneType = Option(System.getenv("EXT_BOTH_TYPES")).forall(_ != "1")
  override def evaluateExecutionCondition(c: ExtensionContext): ConditionEvaluationResult = {
    val name = c.getDisplayName
    if (skip.nonEmpty && c.getTestMethod.isPresent && (c.getRequiredTestClass.getName + "." + c.getRequiredTestMethod.getName).matches(".*(" + skip + ").*"))
      return ConditionEvaluationResult.disabled("EXT_SKIP")
    if (skipRows.nonEmpty && c.getTestMethod.isPresent) {
      val row = c.getRequiredTestClass.getName + "." + Runner.rowName(c.getRequiredTestMethod.getName, name)
      if (skipRows.exists(_.matcher(row).find())) return ConditionEvaluationResult.disabled("EXT_SKIP_FILE")
    }
    if (oneType && name.contains("Type=Raft-Combined") && bothTypes(c)) ConditionEvaluationResult.disabled("same as the isolated type here")
    else ConditionEvaluationResult.enabled("")
  }
  private def bothTypes(c: ExtensionContext): Boolean = {
    import org.apache.kafka.common.test.api._
    val m = c.getRequiredTestMethod
    val dflt = Option(c.getRequiredTestClass.getDeclaredAnnotation(classOf[ClusterTestDefaults])).map(_.types().length).getOrElse(2)
    val own = Option(m.getDeclaredAnnotation(classOf[ClusterTest])).toSeq ++ Option(m.getDeclaredAnnotation(classOf[ClusterTests])).toSeq.flatMap(_.value())
    own.nonEmpty && own.forall(a => (if (a.types().isEmpty) dflt else a.types().length) == 2)
  }
}

object Runner {
  private val out = new PrintWriter(new FileWriter(System.getenv("OUT"), true), true)
  private val limitS = Option(System.getenv("EXT_TEST_TIMEOUT_S")).map(_.toInt).getOrElse(120)
  @volatile private var running: TestIdentifier = _
  @volatile private var since = 0L
  private val starts = new ConcurrentHashMap[String, java.lang.Long]()
  private var clazz = ""

  private def clean(s: String) = if (s == null) "" else s.replaceAll("[\\t\\r\\n]+", " ").take(300)
  private def chain(t: Throwable): Seq[Throwable] = Iterator.iterate(t)(_.getCause).takeWhile(_ != null).take(20).toSeq

  private def row(test: String, status: String, sec: Double, msg: String): Unit = {
    val r = Ext.current
    out.println(Seq(clazz, clean(test), status, f"$sec%.1f", r.brokers, r.controllers, r.mode + (if (r.reused) "+reused" else ""), r.restarts, r.protocols.asScala.mkString(","),
      clean(r.plugins.asScala.mkString(" ")), clean(r.unsupported.asScala.mkString(" ")), clean(msg)).mkString("\t"))
  }

  /** The name of a test in the result rows. */
  def rowName(method: String, display: String): String = (if (display.startsWith(method)) display else method + " " + display).replaceAll("Type=Raft-", "")
    .replaceAll("(MetadataVersion|BrokerSecurityProtocol|BrokerListenerName|ControllerSecurityProtocol|ControllerListenerName)=[^,]*,?", "").replaceAll("[, ]+$", "")
  private def nameOf(t: TestIdentifier): String = t.getSource.toScala match {
    case Some(m: MethodSource) => rowName(m.getMethodName, t.getDisplayName)
    case _ => rowName("", t.getDisplayName)
  }

  private object Listener extends TestExecutionListener {
    override def executionSkipped(t: TestIdentifier, reason: String): Unit = if (!reason.contains("same as the isolated")) { Ext.current = new TestRecord(""); row(nameOf(t), "disabled", 0, reason) }
    override def executionStarted(t: TestIdentifier): Unit = {
      starts.put(t.getUniqueId, System.currentTimeMillis()); running = t; since = System.currentTimeMillis()
      if (t.isTest) Ext.current = new TestRecord(t.getDisplayName)
    }
    override def executionFinished(t: TestIdentifier, r: TestExecutionResult): Unit = {
      running = null
      val sec = (System.currentTimeMillis() - starts.getOrDefault(t.getUniqueId, System.currentTimeMillis())) / 1000.0
      val e = r.getThrowable.orElse(null)
      if (t.isTest || r.getStatus != TestExecutionResult.Status.SUCCESSFUL) {
        val all = if (e == null) Seq.empty else chain(e) ++ e.getSuppressed.flatMap(chain)
        val status = r.getStatus match {
          case TestExecutionResult.Status.SUCCESSFUL => "pass"
          case TestExecutionResult.Status.ABORTED => "skip"
          case _ =>
            if (all.exists(x => x.isInstanceOf[StandInException] || x.isInstanceOf[NoSuchMethodError] || x.isInstanceOf[NoSuchFieldError]) || !Ext.current.unsupported.isEmpty) "unsupported"
            else if (all.exists(x => x.isInstanceOf[java.util.concurrent.TimeoutException] && String.valueOf(x.getMessage).contains("timed out after"))) "timeout"
            else "fail"
        }
        row(nameOf(t), status, sec, if (e == null) "" else e.toString)
        if (status != "pass" && e != null && System.getenv("EXT_STACK") == "1") e.printStackTrace()
      }
    }
  }

  private val watchdog = new Thread(() => while (true) {
    Thread.sleep(1000)
    val t = running
    if (t != null && t.isTest && System.currentTimeMillis() - since > (limitS * 2 + 90) * 1000L) {
      Thread.getAllStackTraces.asScala.foreach { case (th, st) => System.err.println(th.getName + "\n  " + st.take(25).mkString("\n  ")) }
      row(nameOf(t), "timeout", (System.currentTimeMillis() - since) / 1000.0, "hung; the JVM was ended, later tests of the class did not run")
      Ext.killAll(); out.flush(); Runtime.getRuntime.halt(3)
    }
  }, "ext-watchdog")

  /** Arguments: class names; `Class#method` runs one method. */
  def main(args: Array[String]): Unit = {
    watchdog.setDaemon(true); watchdog.start()
    if (Ext.squeeze) Squeeze.install()
    val launcher = LauncherFactory.create(LauncherConfig.builder().enableTestExecutionListenerAutoRegistration(false).build())
    args.foreach { a =>
      clazz = a.takeWhile(_ != '#')
      val t0 = System.currentTimeMillis()
      try {
        val sel = if (a.contains('#')) {
          val m = a.substring(a.indexOf('#') + 1)
          val c = Class.forName(clazz)
          Iterator.iterate[Class[_]](c)(_.getSuperclass).takeWhile(_ != null).flatMap(_.getDeclaredMethods).filter(x => x.getName == m && !x.isSynthetic && !x.isBridge).take(1)
            .map(x => DiscoverySelectors.selectMethod(c, x)).toSeq
        } else Seq(DiscoverySelectors.selectClass(clazz))
        val req = LauncherDiscoveryRequestBuilder.request().selectors(sel: _*)
          .configurationParameter("junit.jupiter.extensions.autodetection.enabled", "true")
          .configurationParameter("junit.jupiter.execution.timeout.testable.method.default", limitS + " s")
          .configurationParameter("junit.jupiter.execution.timeout.lifecycle.method.default", (limitS + 60) + " s")
          .build()
        launcher.execute(req, Listener)
      } catch { case e: Throwable => Ext.current = new TestRecord(""); row("<discovery>", "fail", 0, e.toString) }
      System.err.println(s"## $a ${(System.currentTimeMillis() - t0) / 1000} s")
      System.err.println("##done " + a)
    }
    Ext.killAll(); out.flush(); Runtime.getRuntime.halt(0)
  }
}
