import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * The jobs of bench_engine.py in Flink SQL, exactly once, in one process.
 *
 * <p>FlinkPeer JOB BROKERS IN OUT USERS GROUP FOLDER
 */
public final class FlinkPeer {
  private static String source(String topic, String brokers, String group) {
    return "CREATE TABLE payments (id STRING, ts BIGINT, user_id STRING, amount DOUBLE, currency STRING,"
        + " merchant STRING, country STRING, et AS TO_TIMESTAMP_LTZ(ts, 3),"
        + " WATERMARK FOR et AS et - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='" + topic
        + "', 'properties.bootstrap.servers'='" + brokers + "', 'properties.group.id'='" + group
        + "', 'scan.startup.mode'='earliest-offset', 'properties.isolation.level'='read_committed',"
        + " 'format'='json', 'json.ignore-parse-errors'='true')";
  }

  private static String users(String topic, String brokers) {
    return "CREATE TABLE users (user_id STRING, tier STRING, uts BIGINT, et AS TO_TIMESTAMP_LTZ(uts, 3),"
        + " WATERMARK FOR et AS et, PRIMARY KEY (user_id) NOT ENFORCED) WITH ('connector'='upsert-kafka',"
        + " 'topic'='" + topic + "', 'properties.bootstrap.servers'='" + brokers
        + "', 'key.format'='raw', 'value.format'='json')";
  }

  private static String sink(String columns, String topic, String brokers) {
    return "CREATE TABLE results (" + columns + ") WITH ('connector'='kafka', 'topic'='" + topic
        + "', 'properties.bootstrap.servers'='" + brokers
        + "', 'format'='json', 'sink.delivery-guarantee'='exactly-once', 'sink.transactional-id-prefix'='fl-"
        + System.nanoTime() + "', 'properties.transaction.timeout.ms'='600000',"
        + " 'properties.compression.type'='lz4', 'properties.linger.ms'='100', 'properties.batch.size'='262144')";
  }

  public static void main(String[] arguments) throws Exception {
    String job = arguments[0];
    String brokers = arguments[1];
    Configuration settings = new Configuration();
    settings.setString("parallelism.default", "2");
    settings.setString("execution.checkpointing.interval", "1 s");
    settings.setString("execution.checkpointing.dir", "file://" + arguments[6]);
    settings.setString("state.backend.type", "hashmap");
    settings.setString("taskmanager.numberOfTaskSlots", "4");
    settings.setString("taskmanager.memory.network.min", "64mb");
    settings.setString("taskmanager.memory.network.max", "64mb");
    settings.setString("taskmanager.memory.managed.size", "64mb");
    settings.setString("pipeline.object-reuse", "true");
    settings.setString("table.exec.source.idle-timeout", "2 s");
    settings.setString("rest.bind-address", "127.0.0.1");
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(2, settings);
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    tables.getConfig().addConfiguration(settings);
    tables.executeSql(source(arguments[2], brokers, arguments[5]));
    String query;
    switch (job) {
      case "filter" -> {
        tables.executeSql(sink("id STRING, ts BIGINT, user_id STRING, amount DOUBLE, currency STRING,"
            + " merchant STRING, country STRING", arguments[3], brokers));
        query = "SELECT id, ts, user_id, amount, currency, merchant, country FROM payments"
            + " WHERE amount > 100 AND country <> 'JP'";
      }
      case "window" -> {
        tables.executeSql(sink("user_id STRING, window_start BIGINT, payments BIGINT, total DOUBLE",
            arguments[3], brokers));
        query = "SELECT user_id, TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_start),"
            + " COUNT(*), SUM(amount) FROM TABLE(TUMBLE(TABLE payments, DESCRIPTOR(et), INTERVAL '1' MINUTE))"
            + " GROUP BY user_id, window_start, window_end";
      }
      case "join" -> {
        tables.executeSql(users(arguments[4], brokers));
        tables.executeSql(sink("id STRING, user_id STRING, amount DOUBLE, tier STRING", arguments[3], brokers));
        query = "SELECT p.id, p.user_id, p.amount, u.tier FROM payments p LEFT JOIN users"
            + " FOR SYSTEM_TIME AS OF p.et AS u ON p.user_id = u.user_id WHERE p.amount > 100";
      }
      default -> throw new IllegalArgumentException(job);
    }
    tables.executeSql("INSERT INTO results " + query).getJobClient().get().getJobExecutionResult().get();
  }
}
