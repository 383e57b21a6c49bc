// Where the keyboard is: the place among all that it must reach, in the order of the eye, or -1 for
// nowhere; how many there are; and what is wrong with how it is shown.
(() => {
  const chosen = e => {
    const group = [...document.querySelectorAll(`input[type=radio][name="${e.name}"]`)];
    return e === (group.find(one => one.checked) ?? group[0]);
  };
  const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden])')]
    // The arrows go on within a group.
    .filter(e => e.type !== 'radio' || chosen(e));
  const middle = e => { const r = e.getBoundingClientRect(); return r.top + r.height / 2; };
  const left = e => e.getBoundingClientRect().left;
  const seen = [...all].sort((a, b) => {
    const down = middle(a) - middle(b);
    return Math.abs(down) > 12 ? down : left(a) - left(b);
  });
  const e = document.activeElement;
  if (e === document.body || e === null) return { place: -1, of: all.length, main: false, faults: [] };
  const faults = [];
  const style = getComputedStyle(e);
  if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) faults.push('is not marked');
  if (style.outlineColor === getComputedStyle(document.body).backgroundColor) faults.push('is marked unseen');
  const r = e.getBoundingClientRect();
  const top = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
  if (!top || !(e.contains(top) || e.closest('label')?.contains(top))) faults.push('is covered or off the screen');
  const main = document.querySelector('main').contains(e);
  return { place: seen.indexOf(e), of: all.length, main, faults: faults.map(fault => `${e.outerHTML.slice(0, 60)} ${fault}`) };
})()
