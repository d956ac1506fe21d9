/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing and formatting by inet_pton and inet_ntop; the rest is arithmetic.
 */
#include "base/ip.h"

#ifdef _WIN32
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ud_ip mapped = (ud_ip)0xffff << 32;

static bool is_v4(ud_ip ip)
{
	return ip >> 32 == 0xffff;
}

bool ud_ip_parse(const char *text, ud_ip *ret, bool *ret_v4)
{
	unsigned char raw[16];
	ud_ip ip = 0;

	if (inet_pton(AF_INET, text, raw) == 1) {
		*ret = mapped | (ud_ip)raw[0] << 24 | (ud_ip)raw[1] << 16 | (ud_ip)raw[2] << 8 |
			raw[3];
		*ret_v4 = true;
		return true;
	}
	if (inet_pton(AF_INET6, text, raw) != 1)
		return false;
	for (int i = 0; i < 16; i++)
		ip = ip << 8 | raw[i];
	if (is_v4(ip))
		return false; /* one spelling for IPv4 */
	*ret = ip;
	*ret_v4 = false;
	return true;
}

ud_ip ud_prefix_size(int length, bool v4)
{
	int bits = (v4 ? 32 : 128) - length;

	return bits >= 128 ? 0 : (ud_ip)1 << bits;
}

struct ud_prefix ud_prefix_at(ud_ip first, int length, bool v4)
{
	return (struct ud_prefix){ first, first + ud_prefix_size(length, v4) - 1, length, v4 };
}

bool ud_prefix_parse(const char *text, struct ud_prefix *ret)
{
	char address[UD_IP_TEXT], *end;
	const char *slash = strchr(text, '/');
	ud_ip ip;
	bool v4;

	if (!slash || slash - text >= (long)sizeof(address) || slash[1] < '0' || slash[1] > '9' ||
		(slash[1] == '0' && slash[2]))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	long length = strtol(slash + 1, &end, 10);

	if (*end || !ud_ip_parse(address, &ip, &v4) || length > (v4 ? 32 : 128))
		return false;
	*ret = ud_prefix_at(ip, (int)length, v4);
	return (ip & (ud_prefix_size((int)length, v4) - 1)) == 0 || length == (v4 ? 32 : 128);
}

void ud_ip_format(ud_ip ip, char text[UD_IP_TEXT])
{
	unsigned char raw[16];

	for (int i = 15; i >= 0; i--, ip >>= 8)
		raw[i] = (unsigned char)ip;
	bool v4 = memcmp(raw, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? raw + 12 : raw, text, UD_IP_TEXT);
}

void ud_prefix_format(const struct ud_prefix *p, char text[UD_IP_TEXT])
{
	ud_ip_format(p->first, text);
	size_t n = strlen(text);

	snprintf(text + n, UD_IP_TEXT - n, "/%d", p->length);
}

void ud_ip_hex(ud_ip ip, char hex[UD_IP_HEX])
{
	snprintf(hex, UD_IP_HEX, "%016llx%016llx", (unsigned long long)(ip >> 64),
		(unsigned long long)ip);
}

ud_ip ud_ip_unhex(const char *hex)
{
	char half[17];

	snprintf(half, sizeof(half), "%.16s", hex);
	ud_ip high = strtoull(half, NULL, 16);

	return high << 64 | strtoull(hex + (strlen(hex) >= 16 ? 16 : strlen(hex)), NULL, 16);
}

void ud_prefix_usable(const struct ud_prefix *p, ud_ip *ret_first, ud_ip *ret_last)
{
	*ret_first = p->first + (p->v4 ? p->length <= 30 : p->length <= 126);
	*ret_last = p->last - (p->v4 && p->length <= 30);
}
