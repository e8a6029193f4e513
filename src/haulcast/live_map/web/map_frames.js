// Binary map frames (docs/protocol.md) as typed arrays, without a copy. The machine is little-endian, as browsers' are.

const POSITIONS = [["fixTimeMs", Float64Array], ["number", Uint32Array], ["lat1e7", Int32Array], ["lon1e7", Int32Array],
  ["speedMps", Float32Array], ["headingDeg", Float32Array]];
const CLUSTERS = [["number", Uint32Array], ["lat1e7", Int32Array], ["lon1e7", Int32Array], ["count", Uint32Array],
  ["speedMps", Float32Array]];
const decoder = new TextDecoder();

/**
 * @typedef {object} MapFrame
 * @property {boolean} isClusters
 * @property {boolean} isSnapshot replaces everything that was shown
 * @property {number} timeMs when the hub sent it, by its clock
 * @property {number} rows length of the columns, which are those of POSITIONS or CLUSTERS
 * @property {Uint32Array} gone numbers that left the view
 * @property {[number, string][]} names of numbers that are new
 */

/** @param {ArrayBuffer} buffer @returns {MapFrame} */
export function readMapFrame(buffer) {
  const header = new DataView(buffer);
  const isClusters = header.getUint8(0) === 2;
  const [rows, gone, names] = [4, 8, 12].map((at) => header.getUint32(at, true));
  let at = 32;
  const take = (Type, length) => {
    const column = new Type(buffer, at, length);
    at += Math.ceil(column.byteLength / 8) * 8;
    return column;
  };
  const frame = { isClusters, isSnapshot: (header.getUint8(1) & 1) === 1, timeMs: header.getFloat64(16, true), rows };
  for (const [name, Type] of isClusters ? CLUSTERS : POSITIONS) frame[name] = take(Type, rows);
  frame.gone = take(Uint32Array, gone);
  const numbers = take(Uint32Array, names), lengths = take(Uint32Array, names);
  frame.names = [];
  for (let i = 0; i < names; i++) {
    frame.names.push([numbers[i], decoder.decode(new Uint8Array(buffer, at, lengths[i]))]);
    at += lengths[i];
  }
  return frame;
}
