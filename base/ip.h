/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and prefixes as 128-bit numbers; IPv4 is kept IPv4-mapped (RFC 4291 2.5.5.2), so one
 * arithmetic serves both. Their hex texts of 32 digits sort as the numbers do. Pure.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/ud.h"

typedef unsigned __int128 ud_ip;

enum { UD_IP_TEXT = 64, UD_IP_HEX = 33 };

struct ud_prefix {
	ud_ip first, last;
	int length; /* as written: 0 to 32 for IPv4, 0 to 128 for IPv6 */
	bool v4;
};

/* Read "192.0.2.7" or "2001:db8::7". False for anything else. */
bool ud_ip_parse(const char *text, ud_ip *ret, bool *ret_v4);
/* Read "192.0.2.0/24"; bits behind the length must be zero. False for anything else. */
bool ud_prefix_parse(const char *text, struct ud_prefix *ret);
/* The prefix of this length that begins at first. */
struct ud_prefix ud_prefix_at(ud_ip first, int length, bool v4);
/* Canonical texts (RFC 5952). */
void ud_ip_format(ud_ip ip, char text[UD_IP_TEXT]);
void ud_prefix_format(const struct ud_prefix *p, char text[UD_IP_TEXT]);
/* 32 hex digits and back. */
void ud_ip_hex(ud_ip ip, char hex[UD_IP_HEX]);
ud_ip ud_ip_unhex(const char *hex);
/* How many addresses a prefix of this length has; 0 stands for 2^128. */
ud_ip ud_prefix_size(int length, bool v4);
/*
 * First and last address that may be given to a machine: without network and broadcast address in
 * IPv4 up to /30 (RFC 950; RFC 3021 for /31), without the subnet-router anycast address in IPv6 up
 * to /126 (RFC 4291 2.6.1).
 */
void ud_prefix_usable(const struct ud_prefix *p, ud_ip *ret_first, ud_ip *ret_last);

#endif
