/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen: Hyper-V gives a small picture of it in 16 bits a pixel, and people want a PNG. Each
 * row is told by its difference to the one above, and runs of one byte are all that is compressed:
 * screens are mostly still areas.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/crypto.h"
#include "base/env.h"

#define NAMESPACE "root\\virtualization\\v2"
enum { WIDTH = 320, HEIGHT = 240, RGB = 3, TWO = 2, PICTURE_TEXT = 1 << 20 };

/* ---- deflate, with its fixed codes ---- */

struct bits {
	struct ud_buf *b;
	uint32_t held;
	int n;
};

static void put_bits(struct bits *to, unsigned value, int n)
{
	to->held |= (uint32_t)value << to->n;
	to->n += n;
	for (; to->n >= 8; to->n -= 8, to->held >>= 8)
		ud_buf_putc(to->b, (char)(to->held & 0xff));
}

/* Codes go out with their highest bit first. */
static void put_code(struct bits *to, unsigned code, int n)
{
	while (n-- > 0)
		put_bits(to, code >> n & 1, 1);
}

static void put_literal(struct bits *to, unsigned char v)
{
	enum { LOW = 144, LOW_CODE = 0x30, HIGH_CODE = 0x190 };

	if (v < LOW)
		put_code(to, LOW_CODE + v, 8);
	else
		put_code(to, HIGH_CODE + (unsigned)(v - LOW), 9);
}

/* The byte before, again and again: 258 times or 3 to 10 times. */
static size_t put_run(struct bits *to, size_t run)
{
	enum { LONGEST = 258, SHORT = 10, LONGEST_CODE = 0xc5, DISTANCE = 5 };

	if (run >= LONGEST) {
		put_code(to, LONGEST_CODE, 8);
		put_code(to, 0, DISTANCE);
		return LONGEST;
	}
	size_t n = run > SHORT ? SHORT : run;

	put_code(to, (unsigned)(n - 2), 7);
	put_code(to, 0, DISTANCE);
	return n;
}

static void deflate(struct ud_buf *out, const unsigned char *data, size_t n)
{
	enum { END = 7 };
	struct bits to = { out, 0, 0 };

	put_bits(&to, 1, 1); /* the last block */
	put_bits(&to, 1, 2); /* of fixed codes */
	for (size_t i = 0; i < n;) {
		size_t run = 0;

		put_literal(&to, data[i++]);
		while (i + run < n && data[i + run] == data[i - 1])
			run++;
		while (run >= RGB) {
			size_t done = put_run(&to, run);

			run -= done;
			i += done;
		}
	}
	put_code(&to, 0, END);
	put_bits(&to, 0, 7); /* what is held of the last byte */
}

/* ---- PNG ---- */

static void put_u32(struct ud_buf *b, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		ud_buf_putc(b, (char)(v >> shift & 0xff));
}

static uint32_t crc_of(const unsigned char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

static uint32_t adler_of(const unsigned char *p, size_t n)
{
	enum { PRIME = 65521 };
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < n; i++) {
		a = (a + p[i]) % PRIME;
		b = (b + a) % PRIME;
	}
	return b << 16 | a;
}

static void put_chunk(struct ud_buf *b, const char *kind, const void *data, size_t n)
{
	put_u32(b, (uint32_t)n);
	size_t from = b->len;

	ud_buf_puts(b, kind);
	ud_buf_add(b, data, n);
	put_u32(b, crc_of((const unsigned char *)b->data + from, b->len - from));
}

static void colours(const unsigned char *pixel, unsigned char rgb[RGB])
{
	unsigned v = pixel[0] | (unsigned)pixel[1] << 8;

	rgb[0] = (unsigned char)((v >> 11) << 3);
	rgb[1] = (unsigned char)((v >> 5 & 0x3f) << 2);
	rgb[2] = (unsigned char)((v & 0x1f) << 3);
}

/* Rows as PNG wants them: a filter's number, then bytes less those above. */
static void filter(const unsigned char *pixels, unsigned char *out)
{
	enum { UP = 2 };

	for (int y = 0; y < HEIGHT; y++) {
		*out++ = UP;
		for (int x = 0; x < WIDTH; x++) {
			const unsigned char *at = pixels + (size_t)TWO * (size_t)(y * WIDTH + x);
			unsigned char own[RGB], above[RGB] = { 0 };

			colours(at, own);
			if (y > 0)
				colours(at - (size_t)TWO * WIDTH, above);
			for (int k = 0; k < RGB; k++)
				*out++ = (unsigned char)(own[k] - above[k]);
		}
	}
}

void ud_hy_png(struct ud_buf *b, const unsigned char *pixels)
{
	enum { ROWS = HEIGHT * (1 + WIDTH * RGB), DEPTH = 8, TRUE_COLOUR = 2 };
	unsigned char *rows = ud_malloc(ROWS);
	struct ud_buf part = { 0 };

	filter(pixels, rows);
	ud_buf_add(b, "\x89PNG\r\n\x1a\n", 8);
	put_u32(&part, WIDTH);
	put_u32(&part, HEIGHT);
	ud_buf_add(&part, (const char[]){ DEPTH, TRUE_COLOUR, 0, 0, 0 }, 5);
	put_chunk(b, "IHDR", part.data, part.len);
	part.len = 0;
	ud_buf_add(&part, "\x78\x01", 2);
	deflate(&part, rows, ROWS);
	put_u32(&part, adler_of(rows, ROWS));
	put_chunk(b, "IDAT", part.data, part.len);
	put_chunk(b, "IEND", "", 0);
	ud_buf_free(&part);
	ud_free(rows);
}

/* ---- the slot ---- */

/* clang-format off */
struct shot { int64_t answer; const char *image; };
static const struct ud_field shot_fields[] = {
	UD_FIELD(shot, answer, .flags = UD_NULLABLE),
	UD_FIELD(shot, image,  .max = PICTURE_TEXT),
};
struct setting { const char *id; };
static const struct ud_field setting_fields[] = { UD_FIELD(setting, id, .max = 512) };
/* clang-format on */
static const char *const shot_paths[] = { "ReturnValue", "ImageData" };
static const char *const setting_paths[] = { "InstanceID" };
static const struct ud_shape shot_shape = { UD_SHAPE(shot, shot_fields), .object = "picture",
	.bare = true };
static const struct ud_shape setting_shape = { UD_SHAPE(setting, setting_fields),
	.object = "setting", .bare = true };
static const struct ud_hy_class shots = { &shot_shape, shot_paths };
static const struct ud_hy_class settings = { &setting_shape, setting_paths };

static enum ud_code take_shot(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct shot *ret)
{
	struct ud_hy_batch b;
	bool found = false;

	ud_hy_begin(cx, hv, &b);
	/* the UUID was checked to be one: nothing of a filter's language is in it */
	int setting = ud_hy_call(&b, "Get-CimInstance", &settings);

	ud_hy_text(&b, "Namespace", NAMESPACE);
	ud_hy_text(&b, "ClassName", "Msvm_VirtualSystemSettingData");
	ud_hy_text(&b, "Filter", ud_printf(cx->arena, "InstanceID='Microsoft:%s'", uuid));
	int call = ud_hy_call(&b, "Invoke-CimMethod", &shots);

	/* of the one service that there is */
	ud_hy_text(&b, "Namespace", NAMESPACE);
	ud_hy_text(&b, "Query", "select * from Msvm_VirtualSystemManagementService");
	ud_hy_text(&b, "MethodName", "GetVirtualSystemThumbnailImage");
	ud_hy_table(&b, "Arguments");
	ud_hy_ref(&b, "TargetSystem", setting);
	ud_hy_uint16(&b, "WidthPixels", WIDTH);
	ud_hy_uint16(&b, "HeightPixels", HEIGHT);
	ud_hy_table_end(&b);
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, call, &found, ret));
	if (!found || ret->answer != 0 || !ret->image)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "Hyper-V gives no picture (%lld).",
			found ? (long long)ret->answer : -1LL);
	return UD_OK;
}

enum ud_code ud_hy_screenshot(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const void **ret, size_t *ret_n)
{
	struct shot s = { .answer = UD_NONE };
	struct ud_hy_vm vm = { 0 };
	struct ud_buf b = { 0 };
	size_t n = 0;

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	if (ud_hy_power_of(vm.state) != UD_POWER_RUNNING &&
		ud_hy_power_of(vm.state) != UD_POWER_PAUSED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s: it has no screen.",
			vm.state ? vm.state : "in no known state");
	UD_TRY(take_shot(cx, hv, uuid, &s));
	const unsigned char *pixels = ud_base64url_decode(cx->arena, s.image, &n);

	if (!pixels || n < (size_t)TWO * WIDTH * HEIGHT)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"Hyper-V's picture is not of %d x %d pixels.", WIDTH, HEIGHT);
	ud_hy_png(&b, pixels);
	*ret = ud_strndup(cx->arena, b.data, b.len);
	*ret_n = b.len;
	ud_buf_free(&b);
	return UD_OK;
}
