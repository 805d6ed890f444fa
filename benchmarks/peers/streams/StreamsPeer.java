import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The jobs of bench_engine.py in Kafka Streams, exactly once, JSON by Jackson's data binding.
 *
 * <p>StreamsPeer JOB BROKERS IN OUT USERS APPLICATION FOLDER
 */
public final class StreamsPeer {
  @JsonIgnoreProperties(ignoreUnknown = true)
  public static final class Payment {
    public String id, user_id, currency, merchant, country;
    public long ts;
    public double amount;
  }

  public static final class Projected {
    public String id, user_id, currency, merchant, country;
    public long ts;
    public double amount;
  }

  @JsonIgnoreProperties(ignoreUnknown = true)
  public static final class User {
    public String user_id, tier;
  }

  public static final class Joined {
    public String id, user_id, tier;
    public double amount;
  }

  public static final class Minute {
    public String user_id;
    public long window_start, payments;
    public double total;
  }

  static final class Sum {
    long count;
    double total;
  }

  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final ObjectWriter WRITER = MAPPER.writer();

  private static <T> Serde<T> json(Class<T> type) {
    ObjectReader reader = MAPPER.readerFor(type);
    return Serdes.serdeFrom(
        (topic, value) -> {
          try {
            return value == null ? null : WRITER.writeValueAsBytes(value);
          } catch (Exception error) {
            throw new IllegalStateException(error);
          }
        },
        (topic, bytes) -> {
          try {
            return bytes == null ? null : reader.readValue(bytes);
          } catch (Exception error) {
            return null;
          }
        });
  }

  private static final Serde<Sum> SUM =
      Serdes.serdeFrom(
          (topic, sum) ->
              sum == null ? null : ByteBuffer.allocate(16).putLong(sum.count).putDouble(sum.total).array(),
          (topic, bytes) -> {
            if (bytes == null) return null;
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            Sum sum = new Sum();
            sum.count = buffer.getLong();
            sum.total = buffer.getDouble();
            return sum;
          });

  private static Projected project(Payment payment) {
    Projected out = new Projected();
    out.id = payment.id;
    out.ts = payment.ts;
    out.user_id = payment.user_id;
    out.amount = payment.amount;
    out.currency = payment.currency;
    out.merchant = payment.merchant;
    out.country = payment.country;
    return out;
  }

  private static void filter(KStream<String, Payment> in, String out) {
    in.filter((key, payment) -> payment != null && payment.amount > 100 && !"JP".equals(payment.country))
        .mapValues(StreamsPeer::project)
        .to(out, Produced.with(Serdes.String(), json(Projected.class)));
  }

  private static void window(KStream<String, Payment> in, String out) {
    in.filter((key, payment) -> payment != null)
        .groupByKey(Grouped.with(Serdes.String(), json(Payment.class)))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofSeconds(5)))
        .emitStrategy(EmitStrategy.onWindowClose())
        .aggregate(
            Sum::new,
            (key, payment, sum) -> {
              Sum next = new Sum();
              next.count = sum.count + 1;
              next.total = sum.total + payment.amount;
              return next;
            },
            Materialized.<String, Sum, WindowStore<Bytes, byte[]>>as("minutes")
                .withRetention(Duration.ofMinutes(3))
                .withKeySerde(Serdes.String())
                .withValueSerde(SUM))
        .toStream()
        .map(
            (window, sum) -> {
              Minute minute = new Minute();
              minute.user_id = window.key();
              minute.window_start = window.window().start();
              minute.payments = sum.count;
              minute.total = sum.total;
              return KeyValue.pair(window.key(), minute);
            })
        .to(out, Produced.with(Serdes.String(), json(Minute.class)));
  }

  private static void join(StreamsBuilder builder, KStream<String, Payment> in, String users, String out) {
    KTable<String, User> table = builder.table(users, Consumed.with(Serdes.String(), json(User.class)));
    in.filter((key, payment) -> payment != null && payment.amount > 100)
        .leftJoin(
            table,
            (payment, user) -> {
              Joined joined = new Joined();
              joined.id = payment.id;
              joined.user_id = payment.user_id;
              joined.amount = payment.amount;
              joined.tier = user == null ? null : user.tier;
              return joined;
            },
            org.apache.kafka.streams.kstream.Joined.with(Serdes.String(), json(Payment.class), json(User.class)))
        .to(out, Produced.with(Serdes.String(), json(Joined.class)));
  }

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("application.id", arguments[5]);
    settings.put("bootstrap.servers", arguments[1]);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("num.stream.threads", "2");
    settings.put("commit.interval.ms", "1000");
    settings.put("state.dir", arguments[6]);
    settings.put("replication.factor", "1");
    settings.put("auto.offset.reset", "earliest");
    settings.put("producer.compression.type", "lz4");
    settings.put("producer.linger.ms", "100");
    settings.put("producer.batch.size", "262144");
    settings.put("max.poll.records", "2000");
    StreamsBuilder builder = new StreamsBuilder();
    KStream<String, Payment> in =
        builder.stream(
            arguments[2],
            Consumed.with(Serdes.String(), json(Payment.class))
                .withTimestampExtractor(
                    (record, before) -> record.value() == null ? before : ((Payment) record.value()).ts));
    switch (arguments[0]) {
      case "filter" -> filter(in, arguments[3]);
      case "window" -> window(in, arguments[3]);
      case "join" -> join(builder, in, arguments[4], arguments[3]);
      default -> throw new IllegalArgumentException(arguments[0]);
    }
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
    streams.start();
    Thread.currentThread().join();
  }
}
