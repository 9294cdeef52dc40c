/** Programs BOOTSTRAP PREFIX [PART]: the cases of ../program/src with Kafka's own client, one after the other; what came of them, in lines. */
public final class Programs {
    public static void main(String[] args) throws Exception {
        Lab lab = new Lab(args[0], args[1]);
        String only = args.length > 2 ? args[2] : "";
        Produce.add(lab);
        ProduceErrors.add(lab);
        Consume.add(lab);
        ConsumeGroups.add(lab);
        Transactions.add(lab);
        Share.add(lab);
        AdminTopics.add(lab);
        AdminGroups.add(lab);
        AdminCluster.add(lab);
        lab.runAll(only);
        System.out.println("DONE");
        System.exit(0);
    }
}
