// SPDX-License-Identifier: Apache-2.0
// Words of a picture that have more letters than room: cut, with … for what is missing. The picture's title and table have
// the whole.
const pen = document.createElement('canvas').getContext('2d');

/** @param {string} text @param {number} room in pixels @param {boolean} [strong] */
export const fit = (text, room, strong = false) => {
  if (!pen) return text;
  pen.font = `${strong ? 600 : 400} 13px ${getComputedStyle(document.body).fontFamily}`;
  if (pen.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > room) end -= 1;
  return `${text.slice(0, end)}…`;
};
