-- SPDX-License-Identifier: Apache-2.0
-- What a guest is given where it comes up: the card an address is for, and the servers of names of a block.

ALTER TABLE ip_blocks ADD COLUMN dns TEXT NOT NULL DEFAULT '[]';
ALTER TABLE ip_addresses ADD COLUMN mac TEXT;
