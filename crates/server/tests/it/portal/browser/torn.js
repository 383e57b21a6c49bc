// What somebody with weak eyes cannot read: text beyond the edge of the screen or of its box, text
// upon text, text that is cut off, and short words in pieces.
(() => {
  const LONGEST = 10;
  const faults = [];
  const lines = [];
  const width = document.documentElement.clientWidth;
  const wide = document.documentElement.scrollWidth;
  if (wide > width) faults.push(`has to be pushed sideways: ${wide} pixels`);
  const within = (r, box) =>
    r.left >= box.left - 1 && r.right <= box.right + 1 && r.top >= box.top - 1 && r.bottom <= box.bottom + 1;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!text.data.trim()) continue;
    const said = text.data.trim().slice(0, 40);
    const range = document.createRange();
    range.selectNodeContents(text);
    const box = text.parentElement.closest('.k, button, .g, .n, .e')?.getBoundingClientRect();
    for (const rect of range.getClientRects()) {
      lines.push({ rect, text, said });
      if (rect.left < -1 || rect.right > width + 1) faults.push(`beyond the edge: ${said}`);
      if (box && !within(rect, box)) faults.push(`out of its box: ${said}`);
    }
    // A line may end at a space, after a hyphen or a stroke, and nowhere else.
    for (const word of text.data.matchAll(/[^ \n/-]+/g)) {
      if (word[0].length > LONGEST) continue;
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      const rows = new Set([...range.getClientRects()].map(rect => Math.round(rect.top)));
      if (rows.size > 1) faults.push(`torn: ${word[0]}`);
    }
  }
  lines.forEach((a, place) => lines.slice(place + 1).forEach(b => {
    const across = Math.min(a.rect.right, b.rect.right) - Math.max(a.rect.left, b.rect.left);
    const down = Math.min(a.rect.bottom, b.rect.bottom) - Math.max(a.rect.top, b.rect.top);
    if (a.text !== b.text && across > 1 && down > 1) faults.push(`upon each other: ${a.said}, ${b.said}`);
  }));
  for (const e of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(e);
    // What is typed may be longer than its field, and moves in it; but not higher.
    const field = e.matches('input');
    const long = !field && style.overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1;
    const high = (field || style.overflowY !== 'visible') && e.scrollHeight > e.clientHeight + 1;
    if (long || high) faults.push(`cut off: ${e.outerHTML.slice(0, 80)}`);
  }
  return faults;
})()
