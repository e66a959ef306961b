package interop;

import interop.scenarios.AdminScenarios;
import interop.scenarios.AllocationScenarios;
import interop.scenarios.ConsumeFromScenarios;
import interop.scenarios.ConsumerControlScenarios;
import interop.scenarios.DelayScenarios;
import interop.scenarios.FilterScenarios;
import interop.scenarios.LitePullScenarios;
import interop.scenarios.OffsetScenarios;
import interop.scenarios.OrderlyScenarios;
import interop.scenarios.PullScenarios;
import interop.scenarios.PushScenarios;
import interop.scenarios.QueryScenarios;
import interop.scenarios.RequestReplyScenarios;
import interop.scenarios.RestartScenarios;
import interop.scenarios.RetryScenarios;
import interop.scenarios.SendErrorScenarios;
import interop.scenarios.SendScenarios;
import interop.scenarios.SharingScenarios;
import interop.scenarios.TraceScenarios;
import interop.scenarios.TransactionScenarios;
import interop.scenarios.TimerScenarios;
import java.util.ArrayList;
import java.util.List;

/** {@code Main [TAG | NAME-PREFIX]...}: runs the scenarios with that tag or name, or all. */
public final class Main {
    private Main() {
    }

    /** Scenarios that clients of version 4 have no classes for: there they are not compiled. */
    @SuppressWarnings("unchecked")
    private static List<Scenario> sinceVersion5(String name) {
        try {
            return (List<Scenario>) Class.forName("interop.scenarios." + name).getField("LIST").get(null);
        } catch (ClassNotFoundException e) {
            return List.of();
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(name, e);
        }
    }

    static List<Scenario> scenarios() {
        List<Scenario> all = new ArrayList<>();
        // The long ones first: the others run beside them.
        all.addAll(ConsumeFromScenarios.LIST);
        all.addAll(OrderlyScenarios.LIST);
        all.addAll(SharingScenarios.LIST);
        all.addAll(AllocationScenarios.LIST);
        all.addAll(ConsumerControlScenarios.LIST);
        all.addAll(OffsetScenarios.LIST);
        all.addAll(sinceVersion5("PopScenarios"));
        all.addAll(sinceVersion5("PopPriorityScenarios"));
        all.addAll(sinceVersion5("PopLiteScenarios"));
        all.addAll(TransactionScenarios.LIST);
        all.addAll(RetryScenarios.LIST);
        all.addAll(DelayScenarios.LIST);
        all.addAll(TimerScenarios.LIST);
        all.addAll(TraceScenarios.LIST);
        all.addAll(SendScenarios.LIST);
        all.addAll(SendErrorScenarios.LIST);
        all.addAll(PushScenarios.LIST);
        all.addAll(FilterScenarios.LIST);
        all.addAll(PullScenarios.LIST);
        all.addAll(LitePullScenarios.LIST);
        all.addAll(AdminScenarios.LIST);
        all.addAll(sinceVersion5("MachineryScenarios"));
        all.addAll(QueryScenarios.LIST);
        all.addAll(RequestReplyScenarios.LIST);
        all.addAll(RestartScenarios.LIST);
        return all;
    }

    public static void main(String[] args) throws Exception {
        List<String> wanted = List.of(args);
        List<Scenario> chosen = scenarios().stream()
            .filter(s -> wanted.isEmpty() || wanted.stream().anyMatch(w -> s.tags().contains(w) || s.name().startsWith(w)))
            .toList();
        int failed = new Runner().run(chosen);
        Cluster.closeAll();
        // Clients leave threads behind, so the end has to be said.
        System.exit(failed == 0 && !chosen.isEmpty() ? 0 : 1);
    }
}
