/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules on one text for field tables: NULL when it is fine, else the rest of a sentence that begins
 * with the field's name ("is an e-mail address such as …"). Pure but for the time zone, which looks
 * into the system's database.
 */
#ifndef BASE_RULES_H
#define BASE_RULES_H

#include "base/shape.h"

ud_text_rule ud_rule_email;     /* one @, a dotted domain, no spaces; lower case is kept as given */
ud_text_rule ud_rule_name;      /* no space at either end */
ud_text_rule ud_rule_line;      /* no control characters, no space at either end */
ud_text_rule ud_rule_word;      /* [A-Za-z0-9][A-Za-z0-9._:-]*: a name or an address */
ud_text_rule ud_rule_host_name; /* [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
ud_text_rule ud_rule_code;      /* [a-z][a-z0-9-]{1,15} */
ud_text_rule ud_rule_time_zone; /* a name of the IANA database */
ud_text_rule ud_rule_uuid;      /* RFC 9562 4, lower case */
ud_text_rule ud_rule_endpoint;  /* NAME:PORT, ADDRESS:PORT or [ADDRESS]:PORT */
ud_text_rule ud_rule_mac;       /* 52:54:00:12:34:56 */
ud_text_rule ud_rule_scope;     /* "*" or "<resource>:<verb>" */

#endif
