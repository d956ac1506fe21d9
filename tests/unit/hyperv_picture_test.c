/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures of Hyper-V's screens as PNG: what another program unpacks of them is what was put in.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"
#include "base/file.h"
#include "base/process.h"
#include "support/context.h"

enum { WIDTH = 320, HEIGHT = 240, PIXELS = WIDTH * HEIGHT, OUTPUT = 4096, RUN_MS = 60000 };

/* Unpack, take the filter back, and add up a checksum of the colours. */
static const char reader[] =
	"import struct, sys, zlib\n"
	"data = open(sys.argv[1], 'rb').read()\n"
	"assert data[:8] == b'\\x89PNG\\r\\n\\x1a\\n'\n"
	"at, idat = 8, b''\n"
	"while at < len(data):\n"
	"    n, kind = struct.unpack('>I4s', data[at:at + 8])\n"
	"    body = data[at + 8:at + 8 + n]\n"
	"    assert struct.unpack('>I', data[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + body)\n"
	"    idat += body if kind == b'IDAT' else b''\n"
	"    if kind == b'IHDR': w, h = struct.unpack('>II', body[:8])\n"
	"    at += 12 + n\n"
	"rows, above, out = zlib.decompress(idat), bytes(3 * w), b''\n"
	"assert len(rows) == h * (1 + 3 * w)\n"
	"for y in range(h):\n"
	"    row = rows[y * (1 + 3 * w):(y + 1) * (1 + 3 * w)]\n"
	"    assert row[0] == 2\n"
	"    above = bytes((a + b) & 255 for a, b in zip(above, row[1:]))\n"
	"    out += above\n"
	"print(w, h, zlib.crc32(out))\n";

static uint32_t crc_of_colours(const unsigned char *pixels)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < PIXELS; i++) {
		unsigned v = pixels[2 * i] | (unsigned)pixels[2 * i + 1] << 8;
		const unsigned rgb[] = { (v >> 11) << 3, (v >> 5 & 0x3f) << 2, (v & 0x1f) << 3 };

		for (int k = 0; k < 3; k++) {
			crc ^= rgb[k];
			for (int bit = 0; bit < 8; bit++)
				crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
		}
	}
	return ~crc;
}

static size_t check(struct ud_ctx *cx, const unsigned char *pixels)
{
	struct ud_buf b = { 0 };
	struct ud_ran ran = { 0 };
	const char *path = context_path(cx, "screen.png");

	cx->env = &ud_env_real;
	ud_hy_png(&b, pixels);
	assert_int_equal(cx->env->files->write(path, b.data, b.len, 0600), 0);
	const char *const argv[] = { "/usr/bin/python3", "-B", "-c", reader, path, NULL };
	const struct ud_run run = { .argv = argv, .output_max = OUTPUT, .timeout_ms = RUN_MS };

	assert_int_equal(ud_process_run(cx, &run, &ran), UD_OK);
	if (ran.status != 0)
		fail_msg("%s", ran.error);
	assert_string_equal(ran.output,
		ud_printf(cx->arena, "%d %d %lu\n", WIDTH, HEIGHT,
			(unsigned long)crc_of_colours(pixels)));
	size_t n = b.len;

	ud_buf_free(&b);
	return n;
}

static void what_is_put_in_comes_out(void **state)
{
	unsigned char *pixels = ud_alloc(((struct ud_ctx *)*state)->arena, (size_t)2 * PIXELS);
	uint32_t noise = 1;

	/* a black screen costs little of its 230 KB */
	assert_true(check(*state, pixels) < 16384);
	/* areas with edges; and noise, in which every length of a run comes up */
	for (size_t i = 0; i < PIXELS; i++)
		pixels[2 * i] = pixels[2 * i + 1] = i % WIDTH < i / WIDTH ? 0xff : 0x21;
	assert_true(check(*state, pixels) < 65536);
	for (size_t i = 0; i < (size_t)2 * PIXELS; i++) {
		noise = noise * 1664525 + 1013904223;
		pixels[i] = noise >> 30 ? (unsigned char)(noise >> 16) : pixels[i ? i - 1 : 0];
	}
	check(*state, pixels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_put_in_comes_out, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
