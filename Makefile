# Lunastalk. `make help` lists what there is to make.
#
#   BUILD      where everything built goes (another directory for another compiler or sanitizer)
#   SANITIZE=1 build with AddressSanitizer and UBSan

VERSION  := 0.1.0
BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
CFLAGS   ?= -O2 -g
PKG      ?= pkg-config
INSTALL  ?= install

bindir     = $(PREFIX)/bin
libexecdir = $(PREFIX)/lib/lunastalk
sharedir   = $(PREFIX)/share/lunastalk

# Debian and Ubuntu call the same file luajit; other distributions may not.
EXECUTOR_PACKAGES := luajit
RUNTIME_PACKAGES  := libuv jansson yaml-0.1 hiredis
# Their headers only: they are loaded when they are first needed (transfer/library.h).
LOADED_PACKAGES   := libcurl libcrypto

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2
ifdef WERROR
WARN += -Werror
endif
ifdef SANITIZE
# UBSan traps: its library doubles the time that each start and end of a program under test takes.
SAN := -fsanitize=address,undefined -fsanitize-undefined-trap-on-error -fno-omit-frame-pointer
endif

C = $(CC) -std=c11 -D_GNU_SOURCE -DLUNASTALK_VERSION='"$(VERSION)"' \
    -Iruntime -fPIC -fno-common $(WARN) $(SAN) $(CPPFLAGS) $(CFLAGS)

# The executor links LuaJIT and only those runtime files that both processes share; all else is the runtime.
EXECUTOR_SRC := $(wildcard runtime/lua/*.c)
SHARED_SRC   := $(addprefix runtime/,base/buffer.c base/files.c base/level.c base/memory.c base/suggest.c executor/wire.c executor/board.c job/policy.c)
RUNTIME_SRC  := runtime/main.c $(wildcard $(patsubst %,runtime/%/*.c,base command config executor job log queue redis transfer worker))

object = $(patsubst runtime/%.c,$(BUILD)/obj/%.o,$(1))
RUNTIME_OBJ  := $(call object,$(RUNTIME_SRC))
EXECUTOR_OBJ := $(call object,$(EXECUTOR_SRC) $(SHARED_SRC))

.PHONY: all test unit functional fuzz check format demo bench install uninstall clean help
all: $(BUILD)/lunastalk $(BUILD)/lunastalk-executor

$(BUILD)/lunastalk: $(RUNTIME_OBJ)
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) -o $@ $^ $$($(PKG) --libs $(RUNTIME_PACKAGES)) -lm

# -Wl,-E: C modules of Lua find the Lua API in the executable.
$(BUILD)/lunastalk-executor: $(EXECUTOR_OBJ)
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) -Wl,-E -o $@ $^ $$($(PKG) --libs $(EXECUTOR_PACKAGES)) -lm

# What the unit specs load through LuaJIT's FFI: all of the runtime but main(), and the fuzz targets.
FUZZ_OBJ := $(patsubst spec/%.c,$(BUILD)/obj/%.o,$(filter-out %/main.c,$(wildcard spec/fuzz/*.c)))
$(BUILD)/liblunastalk-spec.so: $(filter-out $(BUILD)/obj/main.o,$(RUNTIME_OBJ)) $(FUZZ_OBJ)
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ $$($(PKG) --libs $(RUNTIME_PACKAGES)) -lm

$(BUILD)/obj/lua/%.o: runtime/lua/%.c Makefile
	@mkdir -p $(@D)
	$(C) $$($(PKG) --cflags $(EXECUTOR_PACKAGES)) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: runtime/%.c Makefile
	@mkdir -p $(@D)
	$(C) $$($(PKG) --cflags $(RUNTIME_PACKAGES) $(LOADED_PACKAGES)) -MMD -MP -c -o $@ $<

$(BUILD)/obj/fuzz/%.o: spec/fuzz/%.c Makefile
	@mkdir -p $(@D)
	$(C) -MMD -MP -c -o $@ $<

# What is part of the binaries (base/embed.h).
$(BUILD)/obj/lua/modules.o: $(wildcard runtime/lua/lunastalk/*.lua)
$(BUILD)/obj/command/new.o: $(wildcard runtime/command/templates/*)

-include $(wildcard $(BUILD)/obj/*.d $(BUILD)/obj/*/*.d)

# What handlers require, for editors that complete and check by its annotations.
FOR_EDITORS := $(addprefix runtime/lua/lunastalk/,$(addsuffix .lua,connection job json log queue settings testing))

install: all
	$(INSTALL) -D -m 755 $(BUILD)/lunastalk $(DESTDIR)$(bindir)/lunastalk
	$(INSTALL) -D -m 755 $(BUILD)/lunastalk-executor $(DESTDIR)$(libexecdir)/lunastalk-executor
	$(INSTALL) -d $(DESTDIR)$(sharedir)/library/lunastalk
	$(INSTALL) -m 644 $(FOR_EDITORS) $(DESTDIR)$(sharedir)/library/lunastalk

uninstall:
	rm -f $(DESTDIR)$(bindir)/lunastalk $(DESTDIR)$(libexecdir)/lunastalk-executor
	rm -rf $(DESTDIR)$(sharedir)
	-rmdir $(DESTDIR)$(libexecdir) 2>/dev/null

test:
	scripts/install-packages test
	BUILD=$(BUILD) scripts/test

unit functional:
	BUILD=$(BUILD) scripts/test spec/$@

fuzz:
	scripts/install-packages test
	scripts/install-packages fuzz
	BUILD=$(BUILD) scripts/fuzz

check:
	@status=0; for lint in scripts/lint-*; do echo $$lint; $$lint || status=1; done; exit $$status

demo:
	scripts/install-packages demo
	$(MAKE) all
	BUILD=$(BUILD) scripts/demo

bench:
	scripts/install-packages bench
	$(MAKE) all $(BUILD)/bench-raw
	BUILD=$(BUILD) scripts/bench/run

$(BUILD)/bench-raw: scripts/bench/raw.c
	@mkdir -p $(@D)
	$(CC) -O2 $(WARN) -o $@ $<

format:
	clang-format -i $$(git ls-files -co --exclude-standard '*.c' '*.h')

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            build $(BUILD)/lunastalk and $(BUILD)/lunastalk-executor'
	@echo 'make demo       watch real jobs run (installs what it needs)'
	@echo 'make test       build, check and test everything (installs what it needs)'
	@echo 'make bench      measure against the raw limit of beanstalkd'
	@echo 'make unit       the unit specs only; make functional: the functional ones'
	@echo 'make fuzz       search for crashes with random bytes, FUZZ_SECONDS=60 for each target'
	@echo 'make check      format, lints and static analysis only'
	@echo 'make format     lay out the C sources'
	@echo 'make install    to DESTDIR=$(DESTDIR) PREFIX=$(PREFIX); make uninstall takes it away'
	@echo 'make clean      remove $(BUILD)/'
