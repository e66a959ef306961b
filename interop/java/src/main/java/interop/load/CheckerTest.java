package interop.load;

import interop.Check;
import interop.load.Checker.Claim;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Histories with a fault in each: the checker has to find it, and nothing else; and such without, that only look like one. */
public final class CheckerTest {
    private static final String GOOD = """
        1 SUBSCRIBED - g t - 0
        1 SENT plain0-0 - t - 0
        2 ACKNOWLEDGED plain0-0 - t t/a/0/0 0
        3 DELIVERED plain0-0 g t t/a/0/0 0
        """;

    private record Planted(String name, Claim claim, String history) {
    }

    private static final List<Planted> PLANTED = List.of(
        new Planted("an ordinary history", null, ""),
        new Planted("refused, and stored all the same", null, """
            1 SENT plain0-1 - t - 0
            2 REFUSED plain0-1 - t - 0
            3 DELIVERED plain0-1 g t t/a/0/1 0
            4 SENT plain0-1 - t - 0
            5 ACKNOWLEDGED plain0-1 - t t/a/0/2 0
            6 DELIVERED plain0-1 g t t/a/0/2 0
            """),
        new Planted("acknowledged and never delivered", Claim.DELIVERED, """
            1 SENT plain0-1 - t - 0
            2 ACKNOWLEDGED plain0-1 - t t/a/0/1 0
            """),
        new Planted("delivered, but to one group only", Claim.DELIVERED, "1 SUBSCRIBED - h t - 0\n"),
        new Planted("sent back and never seen again", Claim.DELIVERED, """
            1 SENT plain0-1 - t - 0
            2 ACKNOWLEDGED plain0-1 - t t/a/0/1 0
            3 SENT_BACK plain0-1 g t t/a/0/1 0
            """),
        new Planted("sent back, and here again", null, """
            1 SENT plain0-1 - t - 0
            2 ACKNOWLEDGED plain0-1 - t t/a/0/1 0
            3 SENT_BACK plain0-1 g t t/a/0/1 0
            4 DELIVERED plain0-1 g t - 1
            """),
        new Planted("delivered and never sent", Claim.SENT, "1 DELIVERED plain0-1 g t t/a/0/1 0\n"),
        new Planted("rolled back and delivered", Claim.SENT, """
            1 SENT transaction0-4 - t - 0
            2 ROLLED_BACK transaction0-4 - t - 0
            3 DELIVERED transaction0-4 g t t/a/0/1 0
            """),
        new Planted("an older one comes for the first time", Claim.ORDER, """
            1 SENT ordered0-1 - t - 0
            2 ACKNOWLEDGED ordered0-1 - t t/a/0/2 0
            2 SENT ordered0-2 - t - 0
            3 ACKNOWLEDGED ordered0-2 - t t/a/0/1 0
            4 DELIVERED ordered0-2 g t t/a/0/1 0
            5 DELIVERED ordered0-1 g t t/a/0/2 0
            """),
        new Planted("an older one comes again, as it was sent twice", null, """
            1 SENT ordered0-1 - t - 0
            1 SENT ordered0-1 - t - 0
            2 ACKNOWLEDGED ordered0-1 - t t/a/0/1 0
            2 SENT ordered0-2 - t - 0
            3 ACKNOWLEDGED ordered0-2 - t t/a/0/2 0
            4 DELIVERED ordered0-1 g t t/a/0/1 0
            4 DELIVERED ordered0-2 g t t/a/0/2 0
            5 DELIVERED ordered0-1 g t t/a/0/3 0
            """),
        new Planted("the queue is read again after a fault", null, """
            1 SENT ordered0-1 - t - 0
            2 ACKNOWLEDGED ordered0-1 - t t/a/0/1 0
            2 SENT ordered0-2 - t - 0
            3 ACKNOWLEDGED ordered0-2 - t t/a/0/2 0
            4 DELIVERED ordered0-1 g t t/a/0/1 0
            4 DELIVERED ordered0-2 g t t/a/0/2 0
            5 FAULT kill - - - 0
            6 DELIVERED ordered0-1 g t t/a/0/1 0
            7 DELIVERED ordered0-2 g t t/a/0/2 0
            """),
        new Planted("one offset names two messages", Claim.ONE_A_PLACE, """
            1 SENT plain0-1 - t - 0
            1 SENT plain0-2 - t - 0
            2 DELIVERED plain0-1 g t t/a/0/1 0
            3 DELIVERED plain0-2 g t t/a/0/1 0
            """),
        new Planted("acknowledged here, delivered from there", Claim.STAYS, """
            1 SENT plain0-1 - t - 0
            1 SENT plain0-1 - t - 0
            2 ACKNOWLEDGED plain0-1 - t t/a/0/1 0
            3 DELIVERED plain0-1 g t t/a/0/2 0
            """),
        new Planted("acknowledged and delivered, and gone when the queue is read", Claim.STAYS, """
            1 SENT plain0-1 - t - 0
            2 ACKNOWLEDGED plain0-1 - t t/a/0/1 0
            3 DELIVERED plain0-1 g t t/a/0/1 0
            4 READ - - t t/a/0/0 2
            5 FOUND plain0-0 - t t/a/0/0 0
            """),
        new Planted("expired before the queue was read", null, """
            4 READ - - t t/a/0/1 1
            """),
        new Planted("comes again, and nothing had happened", Claim.REPEATS, "4 DELIVERED plain0-0 g t t/a/0/0 0\n"),
        new Planted("comes again after a fault", null, """
            4 FAULT kill - - - 0
            5 DELIVERED plain0-0 g t t/a/0/0 0
            """),
        new Planted("stored twice, sent once", Claim.REPEATS, "4 DELIVERED plain0-0 g t t/a/0/1 0\n"),
        new Planted("a committed offset moves back", Claim.OFFSETS, """
            4 COMMITTED - g t t/a/0/0 1
            5 COMMITTED - g t t/a/0/0 0
            """),
        new Planted("a committed offset is reset", null, """
            4 COMMITTED - g t t/a/0/0 1
            5 RESET - g t - 0
            6 COMMITTED - g t t/a/0/0 0
            """),
        new Planted("a member commits less than another one did", null, """
            0 SET_BACK - g t t/a/0/2 4
            4 COMMITTED - g t t/a/0/0 4
            5 COMMITTED - g t t/a/0/0 3
            """),
        new Planted("a member commits less, and the offset moves back further", Claim.OFFSETS, """
            0 SET_BACK - g t t/a/0/2 4
            4 COMMITTED - g t t/a/0/0 4
            5 COMMITTED - g t t/a/0/0 1
            """),
        new Planted("a member commits less, in another queue", Claim.OFFSETS, """
            0 SET_BACK - g t t/a/1/0 4
            4 COMMITTED - g t t/a/0/0 1
            5 COMMITTED - g t t/a/0/0 0
            """),
        new Planted("each queue has an offset of its own", null, """
            4 COMMITTED - g t t/a/0/0 1
            5 COMMITTED - g t t/a/1/0 0
            """),
        new Planted("a delayed message comes early", Claim.EARLY, """
            1 SENT late0-0 - t - 1001
            2 ACKNOWLEDGED late0-0 - t - 0
            1000 DELIVERED late0-0 g t t/a/0/1 0
            """),
        new Planted("the second attempt is delivered by the first one's time", null, """
            1 SENT late0-0 - t - 1001
            2 SENT late0-0 - t - 1002
            3 ACKNOWLEDGED late0-0 - t - 0
            1001 DELIVERED late0-0 g t t/a/0/1 0
            """));

    private CheckerTest() {
    }

    public static void main(String[] args) {
        int failed = 0;
        for (Planted planted : PLANTED) {
            try {
                check(planted);
                System.out.println("ok   checker: " + planted.name());
            } catch (RuntimeException | AssertionError e) {
                failed++;
                System.out.println("FAIL checker: " + planted.name() + ": " + e);
            }
        }
        System.out.println((PLANTED.size() - failed) + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private static void check(Planted planted) {
        Checker checker = new Checker();
        for (String line : (GOOD + planted.history()).split("\n")) {
            Entry entry = Entry.parse(line.replace(' ', '\t'));
            Check.equal(line.replace(' ', '\t'), entry.toString(), "written and read");
            checker.add(entry);
        }
        Map<Claim, List<String>> findings = checker.findings();
        Check.equal(planted.claim() == null ? Set.of() : Set.of(planted.claim()), findings.keySet(), "findings " + findings);
        findings.values().forEach(cases -> Check.equal(1, cases.size(), "cases " + cases));
    }
}
