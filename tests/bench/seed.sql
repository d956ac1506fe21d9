-- SPDX-License-Identifier: Apache-2.0
-- 200 customers, 1 site, 2,000 hosts, 100,000 VMs for the benchmark, deterministic; ids as valid as real ones.
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO customers(id, customer_id, version, created_at, updated_at, labels, name, account_number, time_zone, state)
SELECT printf('cus_%026d', i), printf('cus_%026d', i), 1, 1735689600000, 1735689600000, '{}', printf('Customer %03d', i),
	printf('B-%03d', i), 'UTC', 'active' FROM n;
INSERT INTO sites(id, version, created_at, updated_at, labels, name, code, kind, time_zone, state)
VALUES (printf('sit_%026d', 1), 1, 1735689600000, 1735689600000, '{}', 'Bench', 'bench', 'provider_dc', 'UTC', 'active');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO hosts(id, version, created_at, updated_at, labels, name, hypervisor, site_id, state)
SELECT printf('hst_%026d', i), 1, 1735689600000, 1735689600000, '{}', printf('host-%04d', i), 'kvm', printf('sit_%026d', 1),
	'active' FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO vms(id, customer_id, version, created_at, updated_at, labels, name, hypervisor_uuid, host_id, managed, state, power,
	dr_role, firmware, guest_os, vcpus, memory_bytes, disk_bytes)
SELECT printf('vm_%026d', i), printf('cus_%026d', 1 + i % 200), 1 + i % 9, 1735689600000 + i, 1767225600000 + i,
	CASE i % 4 WHEN 0 THEN '{"backup":"nightly","tier":"1"}' ELSE '{}' END, printf('vm-%06d.cust-%03d.example.net', i, 1 + i % 200),
	printf('%08x-%04x-4%03x-a%03x-%012x', (i * 2654435761) & 4294967295, (i * 40503) & 65535, (i * 31) & 4095, (i * 17) & 4095,
		i * 1099511627), printf('hst_%026d', 1 + i % 2000), i % 2, 'ready', CASE i % 3 WHEN 0 THEN 'running' ELSE 'off' END,
	'unprotected', 'uefi', CASE i % 3 WHEN 0 THEN 'debian12' WHEN 1 THEN 'windows-server-2022' ELSE 'rhel9' END, 1 << (i % 6),
	1073741824 << (i % 7), 21474836480 * (1 + i % 50) FROM n;
COMMIT;
ANALYZE;
