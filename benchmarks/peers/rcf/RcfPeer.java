import com.amazon.randomcutforest.RandomCutForest;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/**
 * The Java reference on the stream of core/anomaly/forest_bench.cc: each row scored, then learned.
 *
 * <p>Prints a line a case: dimensions, shingle, trees, samples, updates per second of the thread's
 * processor time (what compiles and collects beside it is left out), mean score.
 */
public final class RcfPeer {
  private long state = 42;

  private long next() { // splitmix64, as base::SplitMix64
    state += 0x9E3779B97F4A7C15L;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  private float[][] rows(int count, int dimensions) {
    float[][] rows = new float[count][dimensions];
    for (int i = 0; i < count; ++i) {
      for (int d = 0; d < dimensions; ++d) {
        double noise = (next() >>> 11) * 0x1p-53;
        rows[i][d] = (float) (10 * Math.sin(i * 0.0218 * (d + 1)) + noise);
      }
    }
    return rows;
  }

  public static void main(String[] arguments) {
    ThreadMXBean clock = ManagementFactory.getThreadMXBean();
    int[][] cases = {{1, 8, 50, 256}, {4, 8, 50, 256}, {10, 1, 50, 256}, {1, 8, 100, 256}};
    int count = Integer.parseInt(arguments[0]);
    for (int[] c : cases) {
      float[][] rows = new RcfPeer().rows(count, c[0]);
      RandomCutForest forest =
          RandomCutForest.builder()
              .dimensions(c[0] * c[1])
              .shingleSize(c[1])
              .internalShinglingEnabled(c[1] > 1)
              .numberOfTrees(c[2])
              .sampleSize(c[3])
              .timeDecay(0.1 / c[3])
              .outputAfter(1)
              .initialAcceptFraction(1.0)
              .parallelExecutionEnabled(false)
              .randomSeed(1)
              .build();
      int warm = count / 2; // the compiler's, and the trees'
      double sum = 0;
      long begin = 0;
      for (int i = 0; i < count; ++i) {
        if (i == warm) begin = clock.getCurrentThreadCpuTime();
        double score = forest.getAnomalyScore(rows[i]);
        forest.update(rows[i]);
        if (i >= warm) sum += score;
      }
      double seconds = (clock.getCurrentThreadCpuTime() - begin) * 1e-9;
      System.out.printf("%d %d %d %d %.0f %.4f%n", c[0], c[1], c[2], c[3],
          (count - warm) / seconds, sum / (count - warm));
    }
  }
}
