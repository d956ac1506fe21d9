// SPDX-License-Identifier: Apache-2.0
// What browsers have and the compiler does not know yet.
interface Window {
  trustedTypes?: { createPolicy(name: string, rules: Record<string, (text: string) => string>): { createScriptURL(url: string): any } };
}
