#ifndef LUNASTALK_BASE_EMBED_H
#define LUNASTALK_BASE_EMBED_H
/*
 * A file as part of the binary: its bytes stand from NAME to NAME_end, read-only. The path is relative to the root of
 * the repository, where make runs; the Makefile tells which objects depend on which files.
 */

#define EMBED(name, path)                                                                                              \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".globl " #name ", " #name "_end\n"                                                                        \
            ".hidden " #name ", " #name "_end\n" #name ":\n"                                                           \
            ".incbin \"" path "\"\n" #name "_end:\n"                                                                   \
            ".popsection\n");                                                                                          \
    extern const char name[] __attribute__((visibility("hidden")));                                                    \
    extern const char name##_end[] __attribute__((visibility("hidden")));

#endif
