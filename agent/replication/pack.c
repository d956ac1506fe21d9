/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing of chunks by zstd.
 */
#include <string.h>
#include <zstd.h>

#include "agent/replication/record.h"

struct ud_packer {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
};

ud_packer *ud_packer_new(void)
{
	ud_packer *p = ud_malloc(sizeof(*p));

	*p = (ud_packer){ 0 };
	return p;
}

void ud_packer_release(ud_packer **packer)
{
	ud_packer *p = *packer;

	*packer = NULL;
	if (!p)
		return;
	ZSTD_freeCCtx(p->pack);
	ZSTD_freeDCtx(p->unpack);
	ud_free(p);
}

size_t ud_pack(ud_packer *packer, int level, const void *data, size_t n, void *out)
{
	if (level == 0)
		return 0;
	if (!packer->pack)
		packer->pack = ZSTD_createCCtx();
	if (!packer->pack)
		return 0; /* raw is always right */
	/* too little room is an error to zstd, and "does not shrink" to us */
	size_t got = ZSTD_compressCCtx(packer->pack, out, n - n / 32, data, n, level);

	return ZSTD_isError(got) ? 0 : got;
}

bool ud_unpack(
	ud_packer *packer, unsigned codec, const void *data, size_t n, void *out, size_t want)
{
	if (codec == UD_CODEC_RAW) {
		if (n != want)
			return false;
		memcpy(out, data, n);
		return true;
	}
	if (!packer->unpack)
		packer->unpack = ZSTD_createDCtx();
	if (!packer->unpack || codec != UD_CODEC_ZSTD)
		return false;
	size_t got = ZSTD_decompressDCtx(packer->unpack, out, want, data, n);

	return !ZSTD_isError(got) && got == want;
}
