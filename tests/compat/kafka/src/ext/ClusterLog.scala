package ext

import java.nio.file.{Files, Path}

import org.apache.kafka.common.config.ConfigResource
import org.apache.kafka.common.errors.CorruptRecordException
import org.apache.kafka.common.metadata.MetadataRecordType._
import org.apache.kafka.common.protocol.ByteBufferAccessor
import org.apache.kafka.common.quota.ClientQuotaEntity
import org.apache.kafka.common.record.internal.FileRecords
import org.apache.kafka.common.security.token.delegation.internals.DelegationTokenCache
import org.apache.kafka.image.{MetadataDelta, MetadataImage, MetadataProvenance}
import org.apache.kafka.metadata.MetadataRecordSerde
import org.apache.kafka.security.CredentialProvider
import org.apache.kafka.common.security.scram.internals.ScramMechanism

import scala.jdk.CollectionConverters._

/**
 * What the metadata log of a node says: its files, read with Kafka's own classes. Some of what tests look for in a broker (delegation tokens and SCRAM
 * credentials, values of passwords, quotas by entity) is told by no request that the stand-ins may make. The files are read from their beginning:
 * brokers of tests live too short for their snapshots to make the log shorter.
 */
class ClusterLog(folder: => Path) {
  private var seen: Seq[(String, Long, Long)] = Seq.empty
  private var last: MetadataImage = MetadataImage.EMPTY

  def image(): MetadataImage = synchronized {
    val dir = folder.resolve("__cluster_metadata-0")
    val files = Option(dir.toFile.listFiles()).toSeq.flatten.map(_.toPath).filter(_.toString.endsWith(".log")).sorted
    val now = files.map(f => (f.toString, Files.size(f), Files.getLastModifiedTime(f).toMillis))
    if (now != seen) {
      Ext.applied()
      val delta = new MetadataDelta.Builder().setImage(MetadataImage.EMPTY).build()
      files.foreach(replay(_, delta))
      last = delta.apply(MetadataProvenance.EMPTY)
      seen = now
    }
    last
  }

  private def replay(file: Path, delta: MetadataDelta): Unit = {
    val records = FileRecords.open(file.toFile, false)
    try records.batches().asScala.filterNot(_.isControlBatch).foreach(_.asScala.foreach { r =>
      val m = MetadataRecordSerde.INSTANCE.read(new ByteBufferAccessor(r.value()), r.valueSize()).message()
      m.apiKey() match {
        case k if Set(BEGIN_TRANSACTION_RECORD, END_TRANSACTION_RECORD, NO_OP_RECORD).map(_.id())(k) =>
        case _ => delta.replay(m)
      }
    })
    // The end of the file is being written.
    catch { case _: CorruptRecordException => }
    // Not close(): that would make the file shorter.
    finally records.closeHandlers()
  }

  private def mechanisms = ScramMechanism.mechanismNames()

  def tokens(): DelegationTokenCache = {
    val cache = new DelegationTokenCache(mechanisms)
    image().delegationTokens().tokens().asScala.foreach { case (id, t) => cache.addToken(id, t.tokenInformation()) }
    cache
  }

  def credentials(): CredentialProvider = {
    val p = new CredentialProvider(mechanisms, tokens())
    image().scram().mechanisms().asScala.foreach { case (m, users) => users.asScala.foreach { case (u, c) => p.updateCredential(m, u, c.toCredential) } }
    p
  }

  /** Dynamic configuration of a broker: the cluster's, and above it its own. */
  def broker(id: Int): Map[String, String] = Seq("", id.toString).flatMap { name =>
    image().configs().configMapForResource(new ConfigResource(ConfigResource.Type.BROKER, name)).asScala
  }.toMap

  private def quota(entity: Map[String, String], key: String): Option[Double] =
    Option(image().clientQuotas().entities().get(new ClientQuotaEntity(entity.asJava))).flatMap(q => Option(q.quotas().get(key)).map(_.doubleValue()))

  /** The quota of a client, in Kafka's precedence. */
  def clientQuota(user: String, client: String, key: String): Option[Double] = {
    val (u, c) = (ClientQuotaEntity.USER, ClientQuotaEntity.CLIENT_ID)
    Seq(Map(u -> user, c -> client), Map(u -> user, c -> null), Map(u -> user), Map(u -> null, c -> client), Map(u -> null, c -> null), Map(u -> null),
      Map(c -> client), Map[String, String](c -> null)).map(quota(_, key)).collectFirst { case Some(v) => v }
  }
  def ipQuota(address: String): Option[Double] =
    Seq(Map(ClientQuotaEntity.IP -> address), Map[String, String](ClientQuotaEntity.IP -> null)).map(quota(_, "connection_creation_rate")).collectFirst { case Some(v) => v }
}
