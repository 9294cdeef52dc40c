import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Has something done to the broker by the program that started it and this one: the other end of harness/control.py. */
final class Control {
    private final Path folder;
    private int asked;

    Control(String folder) {
        this.folder = Path.of(folder);
    }

    /** Returns when it is done. */
    synchronized void ask(String what) throws Exception {
        int n = ++asked;
        Path part = folder.resolve(n + ".part"), done = folder.resolve(n + ".done");
        Files.writeString(part, what);
        Files.move(part, folder.resolve(n + ".ask"), StandardCopyOption.ATOMIC_MOVE);
        while (!Files.exists(done)) Thread.sleep(10);
        String said = Files.readString(done);
        Files.delete(done);
        if (!said.isEmpty()) throw new IllegalStateException(what + ": " + said);
    }

    void restart() throws Exception {
        ask("restart");
    }

    void killAndStart() throws Exception {
        ask("kill");
        ask("start");
    }
}
