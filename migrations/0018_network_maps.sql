-- SPDX-License-Identifier: Apache-2.0
-- Where the cards of a failed-over VM are plugged in: per network and site, for real and for tests.

CREATE TABLE network_maps (
	network_id TEXT NOT NULL REFERENCES networks(id) ON DELETE CASCADE,
	target_site_id TEXT NOT NULL REFERENCES sites(id),
	real_network_id TEXT REFERENCES networks(id),
	test_network_id TEXT REFERENCES networks(id),
	PRIMARY KEY (network_id, target_site_id)
);
CREATE INDEX network_maps_real ON network_maps(real_network_id);
CREATE INDEX network_maps_test ON network_maps(test_network_id);
