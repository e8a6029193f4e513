// Which time the fleet lives in: the hub's, or, while a recording is sent to the hub, that of the recording. A recorded day that is replayed
// at 60 times its speed is moved to end now, so its fixes are hours old when they come, and every vehicle would be silent.

import { SILENT_AFTER_MS } from "./vehicle_columns.js";

/** Without news for so long it is not a recording that is sent, but a fleet that has fallen silent. */
const HOLDS_MS = 30_000;

export class FleetClock {
  constructor() {
    Object.assign(this, { recordedMs: 0, recordedAt: -Infinity, freshAt: -Infinity });
  }

  /**
   * Vehicles have moved on. One fresh fix shows that the fleet lives now, and others are late.
   * @param {number} newestMs the newest of the fixes that came, by the fleet's clock
   * @param {number} hubNowMs
   * @param {number} nowMs of `performance.now()`
   */
  heard(newestMs, hubNowMs, nowMs) {
    if (hubNowMs - newestMs <= SILENT_AFTER_MS) this.freshAt = nowMs;
    else [this.recordedMs, this.recordedAt] = [newestMs, nowMs];
  }

  /** @param {number} nowMs of `performance.now()` @returns {boolean} whether a recording is being sent */
  isRecorded(nowMs) {
    return nowMs - this.recordedAt < HOLDS_MS && nowMs - this.freshAt >= HOLDS_MS;
  }

  /** @returns {number} the time that the fleet lives in */
  nowMs(hubNowMs, nowMs) {
    return this.isRecorded(nowMs) ? this.recordedMs : hubNowMs;
  }
}
