// What cannot be told from what lies behind it, and what only a colour tells.
(() => {
  const faults = [];
  const parts = colour => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = colour => parts(colour).slice(0, 3)
    .map(part => part / 255)
    .map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  // WCAG 2.2, relative luminance and contrast ratio.
  const contrast = (a, b) => {
    const [dark, bright] = [light(a), light(b)].sort((one, other) => one - other);
    return (bright + 0.05) / (dark + 0.05);
  };
  const behind = e => {
    const colour = e ? getComputedStyle(e).backgroundColor : 'rgb(255, 255, 255)';
    return parts(colour)[3] === 0 ? behind(e.parentElement) : colour;
  };
  const tell = (e, fault) => faults.push(`${e.outerHTML.slice(0, 60)} ${fault}`);
  for (const e of document.querySelectorAll('main, main *, footer *')) {
    const style = getComputedStyle(e);
    if (contrast(style.color, behind(e)) < 4.5) tell(e, `is ${style.color} on ${behind(e)}`);
    if (style.forcedColorAdjust !== 'auto') tell(e, 'keeps colours that its reader has replaced');
    if (style.transitionDuration !== '0s' || style.animationName !== 'none') tell(e, 'moves');
  }
  for (const e of document.querySelectorAll('button, .g, input:not([type=radio], [type=hidden]), .k')) {
    const style = getComputedStyle(e);
    const drawn = style.borderTopStyle !== 'none' && parseFloat(style.borderTopWidth) >= 1;
    if (!drawn) tell(e, 'has no border');
    if (contrast(style.borderTopColor, behind(e.parentElement)) < 3) tell(e, `has a border of ${style.borderTopColor}`);
  }
  for (const e of document.querySelectorAll('input[type=radio]')) {
    if (getComputedStyle(e).appearance === 'none') tell(e, 'is not drawn by the browser');
    const marked = getComputedStyle(e.closest('.k')).outlineStyle !== 'none';
    if (marked !== e.checked) tell(e, 'is chosen by colour alone');
  }
  for (const e of document.querySelectorAll('a:not(.g)')) {
    const style = getComputedStyle(e);
    const current = e.hasAttribute('aria-current');
    const told = current ? Number(style.fontWeight) >= 700 : style.textDecorationLine === 'underline';
    if (!told) tell(e, 'is a link by colour alone');
  }
  for (const e of document.querySelectorAll('.e')) {
    if (parseFloat(getComputedStyle(e).borderTopWidth) < 2) tell(e, 'is wrong by colour alone');
  }
  for (const e of document.querySelectorAll('input[aria-invalid]')) {
    if (parseFloat(getComputedStyle(e).borderTopWidth) < 2) tell(e, 'is wrong by colour alone');
  }
  return faults;
})()
