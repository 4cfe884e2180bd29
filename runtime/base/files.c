#include "base/files.h"

#include <fts.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

void files_remove(const char *directory, bool whole)
{
    char *const paths[] = {(char *)directory, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    FTSENT *entry;
    while (walk && (entry = fts_read(walk))) {
        if (entry->fts_info == FTS_D)
            chmod(entry->fts_accpath, S_IRWXU); // what its owner had locked
        else if (entry->fts_info == FTS_DP && (whole || entry->fts_level > 0))
            rmdir(entry->fts_accpath);
        else if (entry->fts_info != FTS_DP)
            unlink(entry->fts_accpath);
    }
    if (walk)
        fts_close(walk);
}
