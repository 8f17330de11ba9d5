import com.azure.core.amqp.AmqpTransportType;
import com.azure.messaging.eventhubs.EventHubClientBuilder;
import com.azure.messaging.eventhubs.EventHubConsumerAsyncClient;
import com.azure.messaging.eventhubs.models.EventPosition;
import com.azure.messaging.eventhubs.models.LastEnqueuedEventProperties;
import com.azure.messaging.eventhubs.models.ReceiveOptions;
import java.util.ArrayList;
import java.util.List;
import reactor.core.publisher.Flux;

/** azure-messaging-eventhubs reads: prints the partitions, then each event, until it is killed. */
public final class EventsReader {
  public static void main(String[] arguments) {
    boolean webSocket = arguments.length > 1 && arguments[1].equals("ws");
    EventHubConsumerAsyncClient client =
        new EventHubClientBuilder()
            .connectionString(arguments[0])
            .consumerGroup("$Default")
            .transportType(webSocket ? AmqpTransportType.AMQP_WEB_SOCKETS : AmqpTransportType.AMQP)
            .buildAsyncConsumerClient();
    var hub = client.getEventHubProperties().block();
    var first = client.getPartitionProperties("0").block();
    System.out.println("partitions " + String.join(" ", hub.getPartitionIds()));
    System.out.println("beginning of 0: " + first.getBeginningSequenceNumber());
    List<Flux<String>> lines = new ArrayList<>();
    ReceiveOptions options = new ReceiveOptions().setTrackLastEnqueuedEventProperties(true).setOwnerLevel(0L);
    for (String partition : hub.getPartitionIds()) {
      lines.add(
          client
              .receiveFromPartition(partition, EventPosition.earliest(), options)
              .map(
                  received -> {
                    var event = received.getData();
                    LastEnqueuedEventProperties last = received.getLastEnqueuedEventProperties();
                    return event.getSystemProperties().get("iothub-connection-device-id")
                        + " " + event.getSequenceNumber()
                        + " of " + last.getSequenceNumber()
                        + " " + event.getBodyAsString()
                        + " " + event.getProperties();
                  }));
    }
    Flux.merge(lines).doOnNext(System.out::println).blockLast();
  }
}
