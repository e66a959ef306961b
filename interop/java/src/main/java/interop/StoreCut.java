package interop;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Takes the end away from a commit log, as no kill does. */
final class StoreCut {
    private StoreCut() {
    }

    /** Makes the last bytes that are no zeros zeros; files are made ahead, so their own end says nothing. */
    static void end(Path commitLog, int bytes) throws IOException {
        try (Stream<Path> files = Files.list(commitLog)) {
            List<Path> newestFirst = files.sorted(Comparator.reverseOrder()).toList();
            for (Path path : newestFirst) {
                try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                    byte[] content = new byte[(int) file.length()];
                    file.readFully(content);
                    int end = content.length;
                    while (end > 0 && content[end - 1] == 0) {
                        end--;
                    }
                    if (end == 0) {
                        continue;
                    }
                    int from = Math.max(0, end - bytes);
                    file.seek(from);
                    file.write(new byte[end - from]);
                    return;
                }
            }
        }
    }
}
