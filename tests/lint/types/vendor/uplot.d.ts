// SPDX-License-Identifier: Apache-2.0
// What the portal uses of uPlot.
export default class uPlot {
  constructor(options: any, data: any, into: Element);
  static tzDate(at: Date, zone: string): Date;
  destroy(): void;
  setSize(size: { width: number; height: number }): void;
  setData(data: any): void;
  [more: string]: any;
}
