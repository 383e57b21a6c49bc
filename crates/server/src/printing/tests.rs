use super::*;
use fast_qr::ECL;
use fast_qr::qr::QRBuilder;

fn card(number: usize) -> Card {
    Card {
        business: "Hotel ABC WiFi".to_owned(),
        plan: "1 hour".to_owned(),
        price: "KES 20".to_owned(),
        code: format!("2345-{number:04}"),
        link: Some(format!("HTTPS://WIFI.EXAMPLE.COM/V/2345{number:04}")),
        steps: "Join our Wi-Fi. Scan this, or type the code on the page that opens.".to_owned(),
        validity: "1 hour · use by 2026-12-21".to_owned(),
        help: Some("Help: +254712345678".to_owned()),
        serial: format!("v0000000000001 {number:05}"),
    }
}

#[test]
fn layouts_are_read_as_they_are_written() {
    for layout in Layout::ALL {
        assert_eq!(layout.word().parse(), Ok(layout));
    }
    let said = "30".parse::<Layout>().unwrap_err().to_string();
    assert!(said.contains("24, 40, 65, 58mm or 80mm"), "{said}");
}

#[test]
fn a_usual_address_makes_a_code_of_the_second_size() {
    let card = card(1);
    let code = QRBuilder::new(card.link.unwrap()).ecl(ECL::M).build().unwrap();
    assert_eq!(code.size, 25, "modules of half a millimetre and more, on every layout");
}

#[test]
fn every_layout_is_a_file_with_one_font() {
    for layout in Layout::ALL {
        let cards: Vec<Card> = (1..=30).map(card).collect();
        let pdf = print(layout, &cards).unwrap();
        assert!(pdf.starts_with(b"%PDF-"), "{layout:?}");
        let fonts = pdf.windows(9).filter(|window| window == b"/FontFile").count();
        assert_eq!(fonts, 1, "{layout:?}");
        // What is not used of the font is left out (whole it has 41 KB); a voucher with its code has
        // 2 KB, and on a roll 3 KB, because each is a page.
        assert!(pdf.len() < 110_000, "{layout:?}: {} bytes", pdf.len());
    }
}
