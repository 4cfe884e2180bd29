#ifndef LUNASTALK_FUZZ_H
#define LUNASTALK_FUZZ_H
/*
 * Fuzz targets. Each gives any bytes to a reader of what strangers send, and aborts when a promise of its header is
 * broken; sanitizers see the rest. They are in the library of the specs: spec/unit/fuzz_spec.lua replays corpus/, and
 * `make fuzz` searches for more with libFuzzer (scripts/fuzz). All return 0, as libFuzzer wants it.
 */
#include <stddef.h>
#include <stdint.h>

/* A stream of replies, and what is looked up in their bodies. */
int fuzz_beanstalkd_protocol(const uint8_t *data, size_t size);
/* The body of a job. */
int fuzz_envelope(const uint8_t *data, size_t size);
/* A config.yml. */
int fuzz_config(const uint8_t *data, size_t size);
/* A log record: u8 level · text message · any number of (u8 kind · text key · text value); text: u8 size · its bytes. */
int fuzz_format(const uint8_t *data, size_t size);
/* A stream of frames, from either side. */
int fuzz_wire(const uint8_t *data, size_t size);

#endif
