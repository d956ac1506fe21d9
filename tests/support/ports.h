/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports for servers that want a number in their settings.
 */
#ifndef TESTS_SUPPORT_PORTS_H
#define TESTS_SUPPORT_PORTS_H

/*
 * A port of 127.0.0.1 that nobody has just now, for connections and for datagrams. It lies below
 * the range from which the kernel takes the ports of outgoing connections
 * (net.ipv4.ip_local_port_range, 32768 and up), so that no connection sits on it before its server
 * does, or while that is started again. Fails the test when there is none.
 */
int free_port(void);

#endif
