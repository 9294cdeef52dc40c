package ext

import java.util.concurrent.{CompletableFuture, CompletionStage}
import java.util.{Collections, Optional, Properties}

import kafka.log.LogManager
import kafka.network.SocketServer
import kafka.raft.KafkaRaftManager
import kafka.server.{BrokerServer, ControllerServer, KafkaApis, KafkaConfig, ReplicaManager}
import org.apache.kafka.common.{Endpoint, TopicPartition, Uuid}
import org.apache.kafka.common.acl.{AccessControlEntry, AclBinding, AclBindingFilter}
import org.apache.kafka.common.config.ConfigResource
import org.apache.kafka.common.message._
import org.apache.kafka.common.metadata._
import org.apache.kafka.common.network.ListenerName
import org.apache.kafka.common.protocol.{ApiKeys, Errors}
import org.apache.kafka.common.requests._
import org.apache.kafka.controller.Controller
import org.apache.kafka.image.loader.MetadataLoader
import org.apache.kafka.image.{MetadataDelta, MetadataImage, MetadataProvenance}
import org.apache.kafka.metadata.{KRaftMetadataCache, LeaderAndIsr}
import org.apache.kafka.raft.{LogOffsetMetadata, RaftLog}
import org.apache.kafka.server.authorizer._
import org.apache.kafka.server.common.{ApiMessageAndVersion, FinalizedFeatures, KRaftVersion, MetadataVersion}
import org.mockito.Mockito
import org.mockito.invocation.InvocationOnMock
import org.mockito.stubbing.Answer

import scala.jdk.CollectionConverters._

object Mocks {
  /** A mock on which only the calls in `f` work. */
  def only[T <: AnyRef](cls: Class[T])(f: PartialFunction[(String, Seq[AnyRef]), Any]): T = {
    val answer = new Answer[AnyRef] {
      override def answer(i: InvocationOnMock): AnyRef = {
        val args = i.getArguments.toSeq
        val k = (i.getMethod.getName, args)
        if (f.isDefinedAt(k)) f(k).asInstanceOf[AnyRef]
        else k._1 match {
          case "toString" => "stand-in " + cls.getSimpleName
          case "hashCode" => Integer.valueOf(System.identityHashCode(i.getMock))
          case "equals" => java.lang.Boolean.valueOf(args.head eq i.getMock)
          case n if n.contains("$default$") => i.callRealMethod()
          case n => Ext.unsupported(cls.getSimpleName + "." + n)
        }
      }
    }
    Mockito.mock(cls, Mockito.withSettings().stubOnly().defaultAnswer(answer))
  }
}

/** The real metadata cache class, fed from Metadata responses of the broker whose cache it stands for. */
class ExtMetadataCache(val cluster: ExtCluster, val id: Int) extends KRaftMetadataCache(id, () => KRaftVersion.KRAFT_VERSION_1) {
  private def node = cluster.node(id)
  private val listeners = collection.mutable.Map[Int, Uuid]()
  private var featureLevels: Map[String, Short] = Map.empty

  private def apiVersions(): Unit = {
    val r = node.rpc.call[ApiVersionsResponse](new ApiVersionsRequest.Builder().build(3.toShort))
    featureLevels = r.data().finalizedFeatures().asScala.map(f => f.name() -> f.maxVersionLevel()).toMap
  }

  def refresh(): Unit = synchronized {
    if (!node.alive) return
    try {
      if (featureLevels.isEmpty) apiVersions()
      val req = MetadataRequest.Builder.allTopics().build(12.toShort)
      val md = node.rpc.call[MetadataResponse](req).data()
      val delta = new MetadataDelta.Builder().setImage(MetadataImage.EMPTY).build()
      featureLevels.foreach { case (n, l) => delta.replay(new FeatureLevelRecord().setName(n).setFeatureLevel(l)) }
      md.brokers().asScala.foreach { b =>
        val eps = new RegisterBrokerRecord.BrokerEndpointCollection()
        val known = cluster.nodePorts(b.nodeId())
        (if (known.isEmpty) Map("PLAINTEXT" -> b.port()) else known).foreach { case (l, p) =>
          eps.add(new RegisterBrokerRecord.BrokerEndpoint().setName(l).setHost("localhost").setPort(p).setSecurityProtocol(0)) }
        delta.replay(new RegisterBrokerRecord().setBrokerId(b.nodeId()).setBrokerEpoch(1).setRack(b.rack()).setFenced(false)
          .setIncarnationId(listeners.getOrElseUpdate(b.nodeId(), Uuid.randomUuid())).setEndPoints(eps))
      }
      md.topics().asScala.filter(_.errorCode() == 0).foreach { t =>
        delta.replay(new TopicRecord().setName(t.name()).setTopicId(t.topicId()))
        t.partitions().asScala.foreach { p =>
          delta.replay(new PartitionRecord().setTopicId(t.topicId()).setPartitionId(p.partitionIndex()).setLeader(p.leaderId()).setLeaderEpoch(p.leaderEpoch())
            .setReplicas(p.replicaNodes()).setIsr(p.isrNodes()).setPartitionEpoch(0)
            .setDirectories(Collections.nCopies(p.replicaNodes().size(), org.apache.kafka.common.DirectoryId.UNASSIGNED)))
        }
      }
      super.setImage(delta.apply(MetadataProvenance.EMPTY))
    } catch { case _: java.io.IOException => }
  }
  private def fresh[T](f: => T): T = { refresh(); f }

  override def currentImage(): MetadataImage = fresh(super.currentImage())
  override def getImage(): MetadataImage = fresh(super.getImage())
  override def getTopicMetadata(t: java.util.Set[String], l: ListenerName, a: Boolean, b: Boolean): java.util.List[MetadataResponseData.MetadataResponseTopic] = fresh(super.getTopicMetadata(t, l, a, b))
  override def describeTopicResponse(i: java.util.Iterator[String], l: ListenerName, f: java.util.function.Function[String, Integer], n: Int, b: Boolean): DescribeTopicPartitionsResponseData = fresh(super.describeTopicResponse(i, l, f, n, b))
  override def getAllTopics(): java.util.Set[String] = fresh(super.getAllTopics())
  override def getTopicId(t: String): Uuid = fresh(super.getTopicId(t))
  override def getTopicName(t: Uuid): Optional[String] = fresh(super.getTopicName(t))
  override def hasAliveBroker(i: Int): Boolean = fresh(super.hasAliveBroker(i))
  override def isBrokerFenced(i: Int): Boolean = Ext.unsupported("MetadataCache.isBrokerFenced")
  override def isBrokerShuttingDown(i: Int): Boolean = Ext.unsupported("MetadataCache.isBrokerShuttingDown")
  override def getAliveBrokerNode(i: Int, l: ListenerName): Optional[org.apache.kafka.common.Node] = fresh(super.getAliveBrokerNode(i, l))
  override def getAliveBrokerNodes(l: ListenerName): java.util.List[org.apache.kafka.common.Node] = fresh(super.getAliveBrokerNodes(l))
  override def getBrokerNodes(l: ListenerName): java.util.List[org.apache.kafka.common.Node] = fresh(super.getBrokerNodes(l))
  override def getLeaderAndIsr(t: String, p: Int): Optional[LeaderAndIsr] = fresh(super.getLeaderAndIsr(t, p))
  override def numPartitions(t: String): Optional[Integer] = fresh(super.numPartitions(t))
  override def topicIdsToNames(): java.util.Map[Uuid, String] = fresh(super.topicIdsToNames())
  override def topicNamesToIds(): java.util.Map[String, Uuid] = fresh(super.topicNamesToIds())
  override def getPartitionLeaderEndpoint(t: String, p: Int, l: ListenerName): Optional[org.apache.kafka.common.Node] = fresh(super.getPartitionLeaderEndpoint(t, p, l))
  override def getPartitionReplicaEndpoints(tp: TopicPartition, l: ListenerName): java.util.Map[Integer, org.apache.kafka.common.Node] = fresh(super.getPartitionReplicaEndpoints(tp, l))
  override def getRandomAliveBrokerId(): Optional[Integer] = fresh(super.getRandomAliveBrokerId())
  override def getAliveBrokerEpoch(i: Int): Optional[java.lang.Long] = Ext.unsupported("MetadataCache.getAliveBrokerEpoch")
  override def contains(t: String): Boolean = fresh(super.contains(t))
  override def contains(t: TopicPartition): Boolean = fresh(super.contains(t))
  override def config(r: ConfigResource): Properties = {
    val d = new DescribeConfigsRequestData().setResources(java.util.List.of(new DescribeConfigsRequestData.DescribeConfigsResource()
      .setResourceType(r.`type`().id()).setResourceName(r.name())))
    val res = node.rpc.call[DescribeConfigsResponse](new DescribeConfigsRequest.Builder(d).build(4.toShort)).data().results().get(0)
    val own = r.`type`() match { case ConfigResource.Type.TOPIC => 1; case ConfigResource.Type.BROKER => if (r.name().isEmpty) 3 else 2; case _ => -1 }
    val p = new Properties()
    res.configs().asScala.filter(c => own < 0 || c.configSource() == own).foreach(c => if (c.value() != null) p.setProperty(c.name(), c.value()))
    p
  }
  override def metadataVersion(): MetadataVersion = { apiVersions(); MetadataVersion.fromFeatureLevel(featureLevels("metadata.version")) }
  override def features(): FinalizedFeatures = {
    val r = node.rpc.call[ApiVersionsResponse](new ApiVersionsRequest.Builder().build(3.toShort)).data()
    val m = new java.util.HashMap[String, java.lang.Short]()
    r.finalizedFeatures().asScala.foreach(f => m.put(f.name(), f.maxVersionLevel()))
    new FinalizedFeatures(metadataVersion(), m, r.finalizedFeaturesEpoch())
  }
  override def describeClientQuotas(r: DescribeClientQuotasRequestData): DescribeClientQuotasResponseData = Ext.unsupported("MetadataCache.describeClientQuotas")
  override def describeScramCredentials(r: DescribeUserScramCredentialsRequestData): DescribeUserScramCredentialsResponseData =
    node.rpc.call[DescribeUserScramCredentialsResponse](new DescribeUserScramCredentialsRequest.Builder(r).build(0.toShort)).data()
}

/** ACLs written and read through the broker's own CreateAcls / DeleteAcls / DescribeAcls. */
class ExtAuthorizer(rpc: => Rpc) extends Authorizer {
  override def configure(m: java.util.Map[String, _]): Unit = ()
  override def close(): Unit = ()
  override def start(i: AuthorizerServerInfo): java.util.Map[Endpoint, CompletionStage[Void]] = Ext.unsupported("Authorizer.start")
  override def authorize(c: AuthorizableRequestContext, a: java.util.List[Action]): java.util.List[AuthorizationResult] = Ext.unsupported("Authorizer.authorize")
  private def err(code: Short, msg: String) = Errors.forCode(code).exception(msg)
  override def createAcls(c: AuthorizableRequestContext, l: java.util.List[AclBinding]): java.util.List[CompletionStage[AclCreateResult]] = {
    val d = new CreateAclsRequestData().setCreations(l.asScala.map(b => CreateAclsRequest.aclCreation(b)).asJava)
    val r = rpc.call[CreateAclsResponse](new CreateAclsRequest.Builder(d).build(3.toShort)).data()
    r.results().asScala.map { x =>
      val res = if (x.errorCode() == 0) AclCreateResult.SUCCESS else new AclCreateResult(err(x.errorCode(), x.errorMessage()))
      CompletableFuture.completedFuture(res): CompletionStage[AclCreateResult] }.asJava
  }
  override def deleteAcls(c: AuthorizableRequestContext, l: java.util.List[AclBindingFilter]): java.util.List[CompletionStage[AclDeleteResult]] = {
    val d = new DeleteAclsRequestData().setFilters(l.asScala.map(f => DeleteAclsRequest.deleteAclsFilter(f)).asJava)
    val r = rpc.call[DeleteAclsResponse](new DeleteAclsRequest.Builder(d).build(3.toShort)).data()
    r.filterResults().asScala.map { x =>
      val res = if (x.errorCode() != 0) new AclDeleteResult(err(x.errorCode(), x.errorMessage()))
      else new AclDeleteResult(x.matchingAcls().asScala.map(m => new AclDeleteResult.AclBindingDeleteResult(DeleteAclsResponse.aclBinding(m))).asJava)
      CompletableFuture.completedFuture(res): CompletionStage[AclDeleteResult] }.asJava
  }
  override def acls(f: AclBindingFilter): java.lang.Iterable[AclBinding] = {
    val r = rpc.call[DescribeAclsResponse](new DescribeAclsRequest.Builder(f).build(3.toShort))
    if (r.data().errorCode() != 0) throw err(r.data().errorCode(), r.data().errorMessage())
    DescribeAclsResponse.aclBindings(r.data().resources())
  }
}

class BrokerStandIns(b: BrokerServer, cluster: ExtCluster) {
  private def id = b.config.nodeId
  val metadataCache = new ExtMetadataCache(cluster, id)
  private def gone(tp: TopicPartition) = !metadataCache.contains(tp)

  lazy val socketServer: SocketServer = Mocks.only(classOf[SocketServer]) {
    case ("boundPort", Seq(l: ListenerName)) => cluster.boundPort(id, l)
    case ("config", _) => b.config
    // All of them: the tests, and with them the stand-ins, come from one address.
    case ("connectionCount", _) => Integer.valueOf(cluster.node(id).samples(0).filter(_.name == "connection-count").map(_.value).sum.toInt)
    case ("connectionQuotas", _) => connectionQuotas
  }
  private lazy val connectionQuotas = Mocks.only(classOf[kafka.network.ConnectionQuotas]) {
    case ("connectionRateForIp", Seq(a: java.net.InetAddress)) => Integer.valueOf(metadataLog.ipQuota(a.getHostAddress).map(_.toInt).getOrElse(Int.MaxValue))
  }
  private def metadataLog: ClusterLog = cluster.node(id).metadataLog
  private val telemetry = new ExtMetrics(cluster.node(id))
  def metrics: org.apache.kafka.common.metrics.Metrics = telemetry.fresh()
  def tokenCache: org.apache.kafka.common.security.token.delegation.internals.DelegationTokenCache = metadataLog.tokens()
  def credentialProvider: org.apache.kafka.security.CredentialProvider = metadataLog.credentials()
  private def quotaManager[T <: org.apache.kafka.server.quota.ClientQuotaManager](c: Class[T], key: String): T = Mocks.only(c) {
    case ("quota", Seq(p: org.apache.kafka.common.security.auth.KafkaPrincipal, client: String)) =>
      org.apache.kafka.common.metrics.Quota.upperBound(metadataLog.clientQuota(p.getName, client, key).getOrElse(Long.MaxValue.toDouble))
    case ("quota", Seq(user: String, client: String)) =>
      org.apache.kafka.common.metrics.Quota.upperBound(metadataLog.clientQuota(user, client, key).getOrElse(Long.MaxValue.toDouble))
  }
  /** What is configured for a client; whether the broker keeps to it shows in its metrics. */
  lazy val quotas: kafka.server.QuotaFactory.QuotaManagers = new kafka.server.QuotaFactory.QuotaManagers(
    quotaManager(classOf[org.apache.kafka.server.quota.ClientQuotaManager], "consumer_byte_rate"),
    quotaManager(classOf[org.apache.kafka.server.quota.ClientQuotaManager], "producer_byte_rate"),
    quotaManager(classOf[kafka.server.ClientRequestQuotaManager], "request_percentage"),
    quotaManager(classOf[org.apache.kafka.server.quota.ControllerMutationQuotaManager], "controller_mutation_rate"), null, null, null, java.util.Optional.empty())
  private def here(tp: TopicPartition): Boolean = metadataCache.getPartitionReplicaEndpoints(tp, b.config.interBrokerListenerName).containsKey(id)
  lazy val replicaManager: ReplicaManager = Mocks.only(classOf[ReplicaManager]) {
    case ("onlinePartition", Seq(tp: TopicPartition)) => if (gone(tp) || !here(tp)) None else Some(partition(tp))
    case ("localLog", Seq(tp: TopicPartition)) => if (gone(tp) || !here(tp)) None else Some(log(tp))
    case ("logManager", _) => logManager
  }
  lazy val logManager: LogManager = Mocks.only(classOf[LogManager]) {
    case ("getLog", Seq(tp: TopicPartition, _)) => if (gone(tp) || !here(tp)) None else Some(log(tp))
    case ("liveLogDirs", _) => Seq.empty
    case ("cleaner", _) => cleaner
  }
  private def partition(tp: TopicPartition) = Mocks.only(classOf[kafka.cluster.Partition]) {
    case ("topicPartition", _) => tp
    case ("isLeader", _) => java.lang.Boolean.valueOf(metadataCache.getLeaderAndIsr(tp.topic(), tp.partition()).get().leader() == id)
    case ("leaderReplicaIdOpt", _) => Some(metadataCache.getLeaderAndIsr(tp.topic(), tp.partition()).get().leader()).filter(_ >= 0)
    case ("getLeaderEpoch", _) => Integer.valueOf(metadataCache.getLeaderAndIsr(tp.topic(), tp.partition()).get().leaderEpoch())
  }
  private def offset(tp: TopicPartition, timestamp: Long): java.lang.Long = {
    val t = new ListOffsetsRequestData.ListOffsetsTopic().setName(tp.topic()).setPartitions(java.util.List.of(
      new ListOffsetsRequestData.ListOffsetsPartition().setPartitionIndex(tp.partition()).setCurrentLeaderEpoch(-1).setTimestamp(timestamp)))
    val d = new ListOffsetsRequestData().setReplicaId(ListOffsetsRequest.DEBUGGING_REPLICA_ID).setIsolationLevel(0).setTopics(java.util.List.of(t))
    val r = cluster.node(id).rpc.call[ListOffsetsResponse](ListOffsetsRequest.parse(new org.apache.kafka.common.protocol.ByteBufferAccessor(
      org.apache.kafka.common.protocol.MessageUtil.toByteBufferAccessor(d, 5.toShort).buffer()), 5.toShort)).data().topics().get(0).partitions().get(0)
    if (r.errorCode() != 0) throw Errors.forCode(r.errorCode()).exception()
    java.lang.Long.valueOf(r.offset())
  }
  /** The offsets come from ListOffsets. Internal topics may be "rolled": tests do that to compact before a restart, here only the restart happens. */
  private def log(tp: TopicPartition) = Mocks.only(classOf[org.apache.kafka.storage.internals.log.UnifiedLog]) {
    case ("logStartOffset", _) => offset(tp, ListOffsetsRequest.EARLIEST_TIMESTAMP)
    case ("logEndOffset", _) => offset(tp, ListOffsetsRequest.LATEST_TIMESTAMP)
    case ("highWatermark", _) => offset(tp, ListOffsetsRequest.LATEST_TIMESTAMP)
    case ("topicPartition", _) => tp
    case ("roll", _) if tp.topic().startsWith("__") => null
  }
  private lazy val cleaner = Mocks.only(classOf[org.apache.kafka.storage.internals.log.LogCleaner]) { case ("awaitCleaned", _) => java.lang.Boolean.TRUE }
  lazy val apis: KafkaApis = Mocks.only(classOf[KafkaApis]) {
    case ("metadataCache", _) => metadataCache
    case ("authorizerPlugin", _) => b.authorizerPlugin
    case ("quotas", _) => quotas
    case ("clusterId", _) => b.clusterId
    case ("brokerId", _) => Integer.valueOf(id)
    case ("isConsumerGroupProtocolEnabled", _) => serves(ApiKeys.CONSUMER_GROUP_HEARTBEAT)
    case ("isShareGroupProtocolEnabled", _) => serves(ApiKeys.SHARE_GROUP_HEARTBEAT)
    case ("isStreamsGroupProtocolEnabled", _) => serves(ApiKeys.STREAMS_GROUP_HEARTBEAT)
  }
  /** Tests that run once per group protocol run with those that the broker's ApiVersions names. */
  private def serves(k: ApiKeys): java.lang.Boolean =
    cluster.node(id).rpc.call[ApiVersionsResponse](new ApiVersionsRequest.Builder().build(3.toShort)).apiVersion(k.id) != null
  private def compacted(segment: Any): Properties = {
    val p = new Properties(); p.put("cleanup.policy", "compact"); p.put("compression.type", "producer"); p.put("segment.bytes", String.valueOf(segment)); p }
  private def own(k: String, d: String): String = Option(b.config.originals().get(k)).map(Ext.str).getOrElse(d)
  private def slot(s: String, n: Int): Integer = Integer.valueOf(org.apache.kafka.common.utils.Utils.abs(s.hashCode) % n)
  lazy val groupCoordinator: org.apache.kafka.coordinator.group.GroupCoordinator = Mocks.only(classOf[org.apache.kafka.coordinator.group.GroupCoordinator]) {
    case ("groupMetadataTopicConfigs", _) => compacted(b.config.groupCoordinatorConfig.offsetsTopicSegmentBytes())
    case ("partitionFor", Seq(g: String)) => slot(g, b.config.groupCoordinatorConfig.offsetsTopicPartitions())
  }
  lazy val transactionCoordinator: kafka.coordinator.transaction.TransactionCoordinator = Mocks.only(classOf[kafka.coordinator.transaction.TransactionCoordinator]) {
    case ("transactionTopicConfigs", _) => val p = compacted(own("transaction.state.log.segment.bytes", "104857600")); p.put("compression.type", "uncompressed"); p.put("unclean.leader.election.enable", "false"); p
    case ("partitionFor", Seq(t: String)) => slot(t, own("transaction.state.log.num.partitions", "50").toInt)
  }
  lazy val loader: MetadataLoader = Mocks.only(classOf[MetadataLoader]) { case ("lastAppliedOffset", _) => java.lang.Long.valueOf(Long.MaxValue) }
}

class ControllerStandIns(c: ControllerServer, cluster: ExtCluster) {
  lazy val socketServer: SocketServer = Mocks.only(classOf[SocketServer]) {
    case ("boundPort", Seq(l: ListenerName)) => cluster.boundPort(c.config.nodeId, l)
    case ("config", _) => c.config
  }
  lazy val raftLog: RaftLog = Mocks.only(classOf[RaftLog]) {
    case ("endOffset", _) => if (cluster.brokers.size() > 1) Thread.sleep(200) else Ext.applied(); new LogOffsetMetadata(0L)
  }
  lazy val raftManager: KafkaRaftManager[ApiMessageAndVersion] = Mocks.only(classOf[KafkaRaftManager[ApiMessageAndVersion]]) {
    case ("raftLog", _) => raftLog
  }
  private def anyCache = cluster.brokers.values().asScala.find(b => cluster.node(b.config.nodeId).alive).map(_.metadataCache).getOrElse(Ext.unsupported("Controller with no live broker"))
  private def ready(n: Int): Boolean = cluster.brokers.values().asScala.forall(b => !cluster.node(b.config.nodeId).alive ||
    b.metadataCache.currentImage().cluster().brokers().size() >= math.min(n, cluster.brokers.size()))
  lazy val controller: Controller = Mocks.only(classOf[Controller]) {
    case ("isActive", _) => java.lang.Boolean.valueOf(cluster.controllers.size() == 1 || Ext.unsupported("Controller.isActive"))
    case ("findAllTopicIds", _) => CompletableFuture.completedFuture(anyCache.topicNamesToIds())
    case ("findTopicIds", Seq(_, names: java.util.Collection[_])) =>
      val m = anyCache.topicNamesToIds()
      val r = new java.util.HashMap[String, org.apache.kafka.controller.ResultOrError[Uuid]]()
      names.asScala.foreach { n => val t = n.asInstanceOf[String]; r.put(t, if (m.containsKey(t)) new org.apache.kafka.controller.ResultOrError(m.get(t))
        else new org.apache.kafka.controller.ResultOrError[Uuid](new org.apache.kafka.common.requests.ApiError(Errors.UNKNOWN_TOPIC_OR_PARTITION))) }
      CompletableFuture.completedFuture(r)
    case ("waitForReadyBrokers", Seq(n: Integer)) =>
      val end = System.currentTimeMillis() + 30000
      while (!ready(n) && System.currentTimeMillis() < end) Thread.sleep(50)
      if (ready(n)) CompletableFuture.completedFuture[Void](null)
      else CompletableFuture.failedFuture[Void](new RuntimeException("brokers not ready"))
  }
}
