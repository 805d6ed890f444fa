import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on 127.0.0.1 until SIGTERM. Arguments: data folder, HTTP port, transport port. */
public final class Launch {
  public static void main(String[] args) throws Exception {
    OpenSearchRunner runner = new OpenSearchRunner();
    runner.setMaxHttpPort(-1); // or it would look for another port when this one is taken
    runner.onBuild(
        (node, settings) -> {
          settings.put("network.host", "127.0.0.1");
          settings.put("http.port", args[1]);
          settings.put("transport.port", args[2]);
          settings.put("discovery.type", "single-node");
          settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(runner)));
    runner.build(
        OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).clusterName("levada-tests"));
    new CountDownLatch(1).await();
  }

  private static void close(OpenSearchRunner runner) {
    try {
      runner.close();
    } catch (Exception e) {
      System.err.println("closing: " + e);
    }
  }
}
