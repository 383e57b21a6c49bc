//! Goal 8, on every screen in every language: axe finds nothing, nothing is too small to be tapped,
//! nothing has to be pushed sideways. The screens are the snapshots that somebody has looked at, so
//! that those are held to it too which are rarely seen.

use super::driver::{Browser, Kind};
use super::home;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const AXE: &str = "const done = arguments[0]; axe.run(document, { runOnly: { type: 'tag', values: \
    ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] } }).then(told => \
    done(told.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))));";
/// What can be tapped and is smaller than 24 pixels; and buttons and fields below 48.
const SMALL: &str = "return [...document.querySelectorAll('a,button,input:not([type=hidden])')].filter(e => { \
    const t = e.type === 'radio' ? e.closest('label') : e; const r = t.getBoundingClientRect(); \
    const least = e.matches('button,.g,input') ? 48 : 24; \
    return r.height < least - 0.5 || r.width < 24; }).map(e => e.outerHTML);";
/// What a mini-browser has no way to do, or does badly.
const BEYOND: &str = "return [...document.querySelectorAll('[target],[download],[onclick],script, \
    iframe,img,link,object,input[maxlength]')].concat([...document.querySelectorAll('[href]')].filter( \
    e => !['http:', 'https:', 'file:', 'tel:'].includes(new URL(e.href).protocol))) \
    .map(e => e.outerHTML);";
/// What fits into the first packets of a connection.
const BUDGET: usize = 14 * 1_024;
const WIDTH: &str = "return document.documentElement.scrollWidth;";

/// The snapshots with their style, and without going on by themselves: once for all tests, which
/// would otherwise read what another writes.
pub(super) fn screens() -> &'static [(String, PathBuf)] {
    static SCREENS: OnceLock<Vec<(String, PathBuf)>> = OnceLock::new();
    SCREENS.get_or_init(laid_out)
}

/// The same in one language.
pub(super) fn screens_in(language: &str) -> impl Iterator<Item = &'static (String, PathBuf)> {
    screens().iter().filter(move |(name, _)| name.ends_with(language))
}

fn laid_out() -> Vec<(String, PathBuf)> {
    let portal = Path::new(env!("CARGO_MANIFEST_DIR"));
    let style = std::fs::read_to_string(portal.join("templates/portal/style.css")).unwrap();
    let folder = home().join("screens");
    std::fs::create_dir_all(&folder).unwrap();
    let mut screens = Vec::new();
    for file in std::fs::read_dir(portal.join("src/web/portal/snapshots")).unwrap() {
        let file = file.unwrap().path();
        let page = std::fs::read_to_string(&file).unwrap();
        let still: Vec<&str> = page.lines().filter(|line| !line.contains("http-equiv")).collect();
        let page = still.join("\n").replace("<style></style>", &format!("<style>{style}</style>"));
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let place = folder
            .join(format!("{name}.html"))
            .canonicalize()
            .unwrap_or(folder.join(format!("{name}.html")));
        std::fs::write(&place, page).unwrap();
        screens.push((name, place.canonicalize().unwrap()));
    }
    screens.sort();
    assert_eq!(screens.len(), 19 * 3, "a screen has no snapshot in a language");
    screens
}

/// What goes over the air for a page, without its headers.
fn weight(file: &Path) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&std::fs::read(file).unwrap()).unwrap();
    encoder.finish().unwrap().len()
}

/// Puts a screen before somebody's eyes.
pub(super) async fn opens(browser: &Browser, file: &Path) {
    browser.visit(&format!("file://{}", file.display())).await;
}

pub(super) fn listed(told: &Value) -> Vec<String> {
    told.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn goal_8_everybody_can_use_every_screen() {
    let axe = home().join("npm/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe is missing: run scripts/test-browser");
    let browser = Browser::open(Kind { scripts: true, ..Kind::default() }).await;
    let (mut faults, mut weights) = (Vec::new(), BTreeMap::new());
    for (name, file) in screens() {
        let weight = weight(file);
        if weight > BUDGET {
            faults.push(format!("{name}: {weight} bytes"));
        }
        let heaviest = weights.entry(name.split('.').next().unwrap().to_owned()).or_insert(0);
        *heaviest = weight.max(*heaviest);
        opens(&browser, file).await;
        browser.resize(360, 1).await;
        browser.run(&axe).await;
        for theme in ["light", "dark"] {
            browser.theme(theme).await;
            let told = listed(&browser.run_until_done(AXE).await);
            faults.extend(told.into_iter().map(|fault| format!("{name}, {theme}: {fault}")));
            if name.ends_with(".sw") {
                browser.keep_picture(&format!("{name}.{theme}")).await;
            }
        }
        let small = listed(&browser.run(SMALL).await);
        faults.extend(small.into_iter().map(|fault| format!("{name}: too small: {fault}")));
        let beyond = listed(&browser.run(BEYOND).await);
        faults.extend(beyond.into_iter().map(|fault| format!("{name}: no sheet has: {fault}")));
        browser.resize(320, 1).await;
        let width = browser.run(WIDTH).await.as_u64().unwrap();
        if width > 320 {
            faults.push(format!("{name}: {width} pixels wide on a screen of 320"));
        }
    }
    println!("bytes with gzip, budget {BUDGET}: {weights:?}");
    println!("axe, {} screens in two themes: {} faults", screens().len(), faults.len());
    assert_eq!(faults, Vec::<String>::new());
    browser.close().await;
}
