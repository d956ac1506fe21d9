/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pace of a sender is: windows of the week, also over midnight; and how hard it compresses
 * on a link of which so much is known.
 */
#include "agent/replication/pace.h"

#include "support/context.h"

enum { MON, TUE, SAT = 5, SUN, MIB = 1 << 20 };

static void windows_say_when_and_how_fast(void **state)
{
	static const char *work[] = { "mon" }, *rest[] = { "sun" };
	static const struct ud_transfer_window windows[] = {
		{ .days = { work, 1 },
			.from_minute = 480,
			.until_minute = 1080,
			.rate_bytes_per_second = 1000 },
		{ .days = { rest, 1 },
			.from_minute = 1320,
			.until_minute = 360,
			.rate_bytes_per_second = UD_NONE },
	};
	static const struct {
		int weekday, minute;
		int64_t rate;
	} rows[] = {
		{ MON, 479, 0 },
		{ MON, 480, 1000 },
		{ MON, 1079, 1000 },
		{ MON, 1080, 0 },
		/* the one over midnight belongs to the day it begins on */
		{ SUN, 1319, 0 },
		{ SUN, 1320, 5000 },
		{ MON, 359, 5000 },
		{ MON, 360, 0 },
		{ TUE, 100, 0 },
		{ SUN, 100, 0 },
		{ SAT, 1400, 0 },
	};

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++)
		if (ud_pace_rate(windows, UD_LEN(windows), 5000, rows[i].weekday, rows[i].minute) !=
			rows[i].rate)
			fail_msg("row %zu", i);
	assert_int_equal(ud_pace_rate(NULL, 0, 5000, MON, 0), 5000);
	assert_int_equal(ud_pace_rate(NULL, 0, UD_NONE, MON, 0), UD_NONE);
}

static void a_link_says_how_hard_to_compress(void **state)
{
	static const struct {
		int64_t link, rate; /* bytes a second; link 0 = nothing was sent yet */
		unsigned compression;
		int level;
	} rows[] = {
		{ 0, UD_NONE, UD_COMPRESSION_AUTO, 1 },
		{ 1000 * MIB, UD_NONE, UD_COMPRESSION_AUTO, 0 },
		{ 100 * MIB, UD_NONE, UD_COMPRESSION_AUTO, 1 },
		{ 10 * MIB, UD_NONE, UD_COMPRESSION_AUTO, 3 },
		/* a limit makes a link slow; one above it does not make it fast */
		{ 1000 * MIB, 10 * MIB, UD_COMPRESSION_AUTO, 3 },
		{ 0, 10 * MIB, UD_COMPRESSION_AUTO, 3 },
		{ 10 * MIB, 1000 * MIB, UD_COMPRESSION_AUTO, 3 },
		/* what was chosen holds */
		{ 10 * MIB, UD_NONE, UD_COMPRESSION_NONE, 0 },
		{ 1000 * MIB, UD_NONE, UD_COMPRESSION_ZSTD1, 1 },
		{ 1000 * MIB, UD_NONE, UD_COMPRESSION_ZSTD3, 3 },
	};

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct ud_link_speed speed = { 0 };

		for (int k = 0; rows[i].link && k < 8; k++)
			ud_link_sent(&speed, rows[i].link, 1000000);
		if (ud_link_level(&speed, rows[i].compression, rows[i].rate) != rows[i].level)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_say_when_and_how_fast),
		cmocka_unit_test(a_link_says_how_hard_to_compress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
