//! Every sentence of the portal, in its three languages beside each other. A sentence without one of
//! them does not compile; an empty one, or one that lost what is filled in, fails a test.
//!
//! `{name}` is filled in by [`fill`]. Nothing here is HTML: the templates escape what they show.

use lango_domain::language::Language;

macro_rules! sentences {
    ($($name:ident { $en:literal $sw:literal $fr:literal })*) => {
        /// All sentences in one language.
        #[derive(Debug)]
        pub(crate) struct Sentences { $(pub(crate) $name: &'static str,)* }

        static ENGLISH: Sentences = Sentences { $($name: $en,)* };
        static SWAHILI: Sentences = Sentences { $($name: $sw,)* };
        static FRENCH: Sentences = Sentences { $($name: $fr,)* };

        /// Name, then English, Kiswahili, Français.
        #[cfg(test)]
        const ALL: &[(&str, [&str; 3])] = &[$((stringify!($name), [$en, $sw, $fr]),)*];
    };
}

sentences! {
    // On every page.
    help_call { "Help: {phone}" "Msaada: {phone}" "Aide : {phone}" }
    help_desk { "Help: ask where you buy access here" "Msaada: uliza unaponunua huduma hapa" "Aide : demandez là où vous achetez l'accès" }
    paid_not_connected { "Paid but not connected?" "Umelipa lakini hujaunganishwa?" "Payé mais pas connecté ?" }
    to_plans { "All plans" "Vifurushi vyote" "Tous les forfaits" }
    terms { "Terms" "Masharti" "Conditions" }
    language { "Language" "Lugha" "Langue" }

    // Plans.
    plans_title { "Get online" "Ingia mtandaoni" "Aller en ligne" }
    choose_plan { "Choose a plan" "Chagua kifurushi" "Choisissez un forfait" }
    pay_phone { "Phone number that pays" "Namba ya simu ya kulipia" "Numéro qui paie" }
    pay_hint { "A message on that phone asks for your PIN. Type the PIN there, never on this page." "Ujumbe kwenye simu hiyo utaomba PIN yako. Weka PIN huko, kamwe si kwenye ukurasa huu." "Un message sur ce téléphone demande votre code PIN. Tapez-le là, jamais sur cette page." }
    pay_known { "Leave this empty to pay by {phone}, as last time." "Acha wazi kulipa kwa {phone}, kama mara iliyopita." "Laissez vide pour payer avec {phone}, comme la dernière fois." }
    pay { "Pay" "Lipa" "Payer" }
    devices_1 { "1 device" "Kifaa 1" "1 appareil" }
    devices_many { "{n} devices" "Vifaa {n}" "{n} appareils" }
    vouchers_many { "{n} vouchers" "vocha {n}" "{n} bons" }
    speed_up_to { "up to {speed}" "hadi {speed}" "jusqu'à {speed}" }
    counted_online { "counted while online" "huhesabiwa ukiwa mtandaoni" "compté en ligne seulement" }
    until_day { "until {end}" "hadi {end}" "jusqu'à {end}" }
    free { "free" "bure" "gratuit" }
    no_limit { "no limit" "bila kikomo" "sans limite" }
    nothing_for_sale { "No plan is sold here at the moment. A voucher works." "Hakuna kifurushi kinachouzwa hapa kwa sasa. Vocha inafanya kazi." "Aucun forfait n'est vendu ici en ce moment. Un bon fonctionne." }
    not_on_wifi { "We cannot see your device: open this page by joining our Wi-Fi. If you pay now you get a code by SMS." "Hatuoni kifaa chako: fungua ukurasa huu kwa kujiunga na Wi-Fi yetu. Ukilipa sasa utapata msimbo kwa SMS." "Votre appareil n'est pas visible : ouvrez cette page en rejoignant notre Wi-Fi. Si vous payez maintenant, un code arrive par SMS." }
    phone_wrong { "This is no phone number. Write it for example like {example}." "Hii si namba ya simu. Andika kwa mfano {example}." "Ce n'est pas un numéro de téléphone. Écrivez par exemple {example}." }
    plan_wrong { "Choose one of these plans." "Chagua kimojawapo cha vifurushi hivi." "Choisissez l'un de ces forfaits." }
    router_said { "The Wi-Fi said: {error}" "Wi-Fi ilisema: {error}" "Le Wi-Fi a répondu : {error}" }
    notice_router { "The Wi-Fi equipment here does not answer at the moment. You can pay: your time begins when you are online." "Kifaa cha Wi-Fi hapa hakijibu kwa sasa. Unaweza kulipa: muda wako unaanza ukiwa mtandaoni." "L'équipement Wi-Fi ne répond pas en ce moment. Vous pouvez payer : votre temps commence quand vous êtes en ligne." }

    // Waiting for money.
    wait_title { "Waiting for your payment" "Tunasubiri malipo yako" "En attente de votre paiement" }
    wait_look { "Look at the phone {phone}. A message asks for your PIN. Type it there." "Angalia simu {phone}. Ujumbe unaomba PIN yako. Iweke huko." "Regardez le téléphone {phone}. Un message demande votre code PIN. Tapez-le là." }
    amount { "Amount" "Kiasi" "Montant" }
    plan { "Plan" "Kifurushi" "Forfait" }
    order { "Order" "Oda" "Commande" }
    wait_moves { "This page goes on by itself." "Ukurasa huu unaendelea wenyewe." "Cette page avance toute seule." }
    wait_slow { "No message on the phone? See that it has signal and is not in a call, then send it again. You pay only once." "Hakuna ujumbe kwenye simu? Hakikisha ina mtandao na haiko kwenye simu nyingine, kisha tuma tena. Unalipa mara moja tu." "Pas de message ? Vérifiez le réseau et qu'aucun appel n'est en cours, puis renvoyez. Vous ne payez qu'une fois." }
    send_again { "Send again" "Tuma tena" "Renvoyer" }
    wait_long { "Not confirmed yet. Do not pay again. We keep watching: when the money arrives you are connected, or you get a code by SMS." "Bado haijathibitishwa. Usilipe tena. Tunaendelea kuangalia: pesa ikifika utaunganishwa, au utapata msimbo kwa SMS." "Pas encore confirmé. Ne payez pas de nouveau. Nous surveillons : à l'arrivée de l'argent vous êtes connecté, ou un code arrive par SMS." }
    failed_title { "Not paid" "Haijalipwa" "Non payé" }
    failed_cancelled { "You cancelled the payment on the phone. Nothing was taken." "Ulighairi malipo kwenye simu. Hakuna kilichokatwa." "Vous avez annulé le paiement sur le téléphone. Rien n'a été pris." }
    failed_no_answer { "The phone did not answer in time. Nothing was taken." "Simu haikujibu kwa wakati. Hakuna kilichokatwa." "Le téléphone n'a pas répondu à temps. Rien n'a été pris." }
    failed_low_balance { "There is not enough money on that phone. Nothing was taken." "Salio la simu hiyo halitoshi. Hakuna kilichokatwa." "Le solde de ce téléphone ne suffit pas. Rien n'a été pris." }
    failed_wrong_pin { "The PIN was wrong. Nothing was taken." "PIN haikuwa sahihi. Hakuna kilichokatwa." "Le code PIN était faux. Rien n'a été pris." }
    failed_busy { "The phone was busy with another payment. Wait a minute, then try again." "Simu ilikuwa na malipo mengine. Subiri dakika moja, kisha jaribu tena." "Le téléphone traitait un autre paiement. Attendez une minute, puis réessayez." }
    failed_other { "The payment was refused. Nothing was taken. Try again, or from another phone." "Malipo yamekataliwa. Hakuna kilichokatwa. Jaribu tena, au kwa simu nyingine." "Le paiement a été refusé. Rien n'a été pris. Réessayez, ou avec un autre téléphone." }
    try_again { "Try again" "Jaribu tena" "Réessayer" }
    review { "Your money arrived, but a person has to look at it. Tell the help number this order code." "Pesa yako imefika, lakini lazima mtu aiangalie. Taja namba hii ya oda kwa msaada." "Votre argent est arrivé, mais une personne doit le vérifier. Donnez ce code de commande à l'aide." }

    // Being connected.
    connecting_title { "Connecting you" "Tunakuunganisha" "Connexion en cours" }
    connecting { "This takes a few seconds." "Inachukua sekunde chache." "Cela prend quelques secondes." }
    connecting_slow { "The Wi-Fi equipment has not answered yet. We go on trying. Your time begins when you are online." "Kifaa cha Wi-Fi bado hakijajibu. Tunaendelea kujaribu. Muda wako unaanza ukiwa mtandaoni." "L'équipement Wi-Fi n'a pas encore répondu. Nous continuons. Votre temps commence quand vous êtes en ligne." }
    one_more { "One more step" "Hatua moja zaidi" "Encore une étape" }
    hand_over { "If nothing happens, tap here" "Kama hakuna kinachotokea, gusa hapa" "Si rien ne se passe, touchez ici" }

    // Online.
    online_title { "You are online" "Umeunganishwa" "Vous êtes en ligne" }
    time_left { "Time left" "Muda uliobaki" "Temps restant" }
    data_left { "Data left" "Data iliyobaki" "Données restantes" }
    ends { "Ends" "Unaisha" "Fin" }
    begins_at_use { "begins when you are online" "unaanza ukiwa mtandaoni" "commence quand vous êtes en ligne" }
    your_code { "Your code" "Msimbo wako" "Votre code" }
    keep_code { "Keep it. With it you come back at any time, also on another phone." "Uhifadhi. Nao unarudi wakati wowote, hata kwa simu nyingine." "Gardez-le. Avec lui vous revenez à tout moment, aussi sur un autre téléphone." }
    go_on { "Go on to the internet" "Endelea kwenye mtandao" "Continuer sur internet" }
    go_to { "Go on to {host}" "Endelea kwenye {host}" "Continuer vers {host}" }
    add_device { "For another device: join this Wi-Fi with it and type the code as a voucher." "Kwa kifaa kingine: jiunge na Wi-Fi hii nacho na uandike msimbo kama vocha." "Pour un autre appareil : rejoignez ce Wi-Fi et tapez le code comme un bon." }
    to_status { "My access" "Huduma yangu" "Mon accès" }

    // Vouchers.
    voucher_title { "Use a voucher" "Tumia vocha" "Utiliser un bon" }
    voucher_code { "Voucher code" "Namba ya vocha" "Code du bon" }
    voucher_hint { "8 letters and digits, for example ABCD-EFGH" "Herufi na tarakimu 8, kwa mfano ABCD-EFGH" "8 lettres et chiffres, par exemple ABCD-EFGH" }
    use_voucher { "Use voucher" "Tumia vocha" "Utiliser le bon" }
    code_typing { "That is a typing mistake: look at the code again, sign by sign." "Kuna kosa la kuandika: angalia namba tena, herufi kwa herufi." "C'est une faute de frappe : relisez le code, signe par signe." }
    code_never { "Our codes never contain 0, O, 1, I or L. Look again what it is." "Namba zetu hazina kamwe 0, O, 1, I wala L. Angalia tena ni nini." "Nos codes ne contiennent jamais 0, O, 1, I ni L. Regardez encore." }
    code_unknown { "We do not know this code here." "Hatuitambui namba hii hapa." "Ce code est inconnu ici." }
    code_over { "This code is used up." "Namba hii imekwisha kutumika." "Ce code est épuisé." }
    code_unpaid { "Nobody has paid for this access yet." "Huduma hii bado haijalipiwa." "Cet accès n'est pas encore payé." }
    code_barred { "This access is barred. Call the help number." "Huduma hii imezuiwa. Piga namba ya msaada." "Cet accès est bloqué. Appelez l'aide." }
    code_paused { "This access is paused. Call the help number to go on." "Huduma hii imesimamishwa. Piga namba ya msaada uendelee." "Cet accès est en pause. Appelez l'aide pour continuer." }
    code_elsewhere { "This code is good at another place of ours, not here." "Namba hii inafanya kazi mahali petu pengine, si hapa." "Ce code est valable dans un autre de nos lieux, pas ici." }
    too_many { "Too many wrong codes from here. Try again in {wait}." "Namba nyingi zisizo sahihi kutoka hapa. Jaribu tena baada ya {wait}." "Trop de codes faux d'ici. Réessayez dans {wait}." }
    join_first { "First join the Wi-Fi, then tap the button." "Kwanza jiunge na Wi-Fi, kisha gusa kitufe." "Rejoignez d'abord le Wi-Fi, puis touchez le bouton." }
    move_title { "In use on another device" "Inatumika kwenye kifaa kingine" "Utilisé sur un autre appareil" }
    move_text { "This access is online on another device. Use it here and disconnect that one?" "Huduma hii iko mtandaoni kwenye kifaa kingine. Uitumie hapa na kukatisha kile?" "Cet accès est en ligne sur un autre appareil. L'utiliser ici et déconnecter l'autre ?" }
    move_here { "Use it here" "Tumia hapa" "Utiliser ici" }

    // Paid but not connected.
    recover_title { "Paid but not connected?" "Umelipa lakini hujaunganishwa?" "Payé mais pas connecté ?" }
    recover_field { "Receipt code, or the phone that paid" "Namba ya risiti, au simu iliyolipa" "Code du reçu, ou téléphone qui a payé" }
    recover_hint { "The receipt code is in the SMS about your payment, for example TKL4X7Y2QP." "Namba ya risiti iko kwenye SMS ya malipo yako, kwa mfano TKL4X7Y2QP." "Le code du reçu est dans le SMS de votre paiement, par exemple TKL4X7Y2QP." }
    recover_go { "Connect me" "Niunganishe" "Me connecter" }
    recover_empty { "Type a receipt code or a phone number." "Andika namba ya risiti au namba ya simu." "Tapez un code de reçu ou un numéro." }
    recover_not_seen { "We have not seen this payment yet. Do not pay again: we keep looking, and you can try again in a minute." "Bado hatujaona malipo haya. Usilipe tena: tunaendelea kuangalia, jaribu tena baada ya dakika moja." "Nous n'avons pas encore vu ce paiement. Ne payez pas de nouveau : nous cherchons, réessayez dans une minute." }
    recover_used_up { "This payment was found, and what it bought is used up." "Malipo haya yamepatikana, na yalichonunua kimekwisha." "Ce paiement a été trouvé ; ce qu'il a acheté est épuisé." }
    recover_review { "This payment was found, but a person has to look at it. Call the help number." "Malipo haya yamepatikana, lakini lazima mtu ayaangalie. Piga namba ya msaada." "Ce paiement a été trouvé, mais une personne doit le vérifier. Appelez l'aide." }
    sent_title { "Look at your messages" "Angalia ujumbe wako" "Regardez vos messages" }
    sent_text { "If {phone} has paid here, it gets an SMS with its code now. Type the code here. No SMS within a minute? Then we have not seen the payment yet: do not pay again." "Kama {phone} imelipa hapa, inapata SMS yenye msimbo wake sasa. Andika msimbo hapa. Hakuna SMS ndani ya dakika moja? Basi bado hatujaona malipo: usilipe tena." "Si {phone} a payé ici, un SMS avec son code arrive. Tapez le code ici. Pas de SMS en une minute ? Alors nous n'avons pas encore vu le paiement : ne payez pas de nouveau." }

    // My access.
    status_title { "My access" "Huduma yangu" "Mon accès" }
    status_none { "This device has no access at the moment." "Kifaa hiki hakina huduma kwa sasa." "Cet appareil n'a pas d'accès en ce moment." }
    state { "State" "Hali" "État" }
    state_online { "online" "mtandaoni" "en ligne" }
    state_ready { "good, not online" "iko sawa, haiko mtandaoni" "valable, pas en ligne" }
    state_unused { "not used yet" "haijatumika bado" "pas encore utilisé" }
    state_slow { "online, data used up: slow" "mtandaoni, data imekwisha: polepole" "en ligne, données épuisées : lent" }
    state_grace { "over, still online for a while" "imekwisha, bado mtandaoni kwa muda" "terminé, encore en ligne un moment" }
    state_paused { "paused" "imesimamishwa" "en pause" }
    state_barred { "barred" "imezuiwa" "bloqué" }
    state_ended { "over" "imekwisha" "terminé" }
    renew { "Buy more time" "Ongeza muda" "Acheter du temps" }
    log_in { "Connect this device" "Unganisha kifaa hiki" "Connecter cet appareil" }
    log_out { "Log out" "Toka" "Se déconnecter" }
    logged_out { "You are logged out. What is left stays yours." "Umetoka. Kilichobaki bado ni chako." "Vous êtes déconnecté. Le reste est à vous." }
    devices { "Devices" "Vifaa" "Appareils" }
    this_device { "this device" "kifaa hiki" "cet appareil" }
    receipts { "Receipts" "Risiti" "Reçus" }

    // Trouble.
    trouble_title { "That did not work" "Haikufanikiwa" "Cela n'a pas marché" }
    trouble_router { "The Wi-Fi equipment does not answer. We go on trying; nothing that you paid is lost. Try again in a minute." "Kifaa cha Wi-Fi hakijibu. Tunaendelea kujaribu; hujapoteza ulicholipa. Jaribu tena baada ya dakika moja." "L'équipement Wi-Fi ne répond pas. Nous continuons ; rien de payé n'est perdu. Réessayez dans une minute." }
    trouble_money { "Payment by phone is not possible at the moment. Nothing was taken. A voucher works, or try again later." "Malipo kwa simu hayawezekani kwa sasa. Hakuna kilichokatwa. Vocha inafanya kazi, au jaribu baadaye." "Le paiement par téléphone est impossible en ce moment. Rien n'a été pris. Un bon fonctionne, ou réessayez plus tard." }
    trouble_expired { "Your access is over. Choose a plan to go on." "Huduma yako imekwisha. Chagua kifurushi uendelee." "Votre accès est terminé. Choisissez un forfait pour continuer." }
    trouble_barred { "This access is barred. Call the help number." "Huduma hii imezuiwa. Piga namba ya msaada." "Cet accès est bloqué. Appelez l'aide." }
    trouble_elsewhere { "This access is good at another place of ours, not here." "Huduma hii inafanya kazi mahali petu pengine, si hapa." "Cet accès est valable dans un autre de nos lieux, pas ici." }
    trouble_closed { "This plan gives no access at this hour. It works again in its hours." "Kifurushi hiki hakifanyi kazi saa hii. Kitafanya kazi tena kwa saa zake." "Ce forfait ne donne pas d'accès à cette heure. Il marche de nouveau à ses heures." }
    trouble_locked { "This access belongs to another device. Call the help number to move it." "Huduma hii ni ya kifaa kingine. Piga namba ya msaada ihamishwe." "Cet accès est lié à un autre appareil. Appelez l'aide pour le déplacer." }
    trouble_busy { "Too many requests from here. Wait a moment, then try again." "Maombi mengi kutoka hapa. Subiri kidogo, kisha jaribu tena." "Trop de demandes d'ici. Attendez un peu, puis réessayez." }
    trouble_place { "We do not know this place. Join the Wi-Fi again and open the page that it shows." "Hatutambui mahali hapa. Jiunge na Wi-Fi tena na ufungue ukurasa unaoonyeshwa." "Ce lieu est inconnu. Rejoignez le Wi-Fi et ouvrez la page qu'il montre." }
    trouble_unseen { "We cannot see your device. Join the Wi-Fi again and open the page that it shows." "Hatuoni kifaa chako. Jiunge na Wi-Fi tena na ufungue ukurasa unaoonyeshwa." "Votre appareil n'est pas visible. Rejoignez le Wi-Fi et ouvrez la page qu'il montre." }
    trouble_ours { "Something failed on our side. Nothing that you paid is lost. Try again in a minute." "Kuna hitilafu upande wetu. Hujapoteza ulicholipa. Jaribu tena baada ya dakika moja." "Une erreur de notre côté. Rien de payé n'est perdu. Réessayez dans une minute." }
    support_code { "Code for the help number" "Namba ya kutaja kwa msaada" "Code pour l'aide" }

    // Terms.
    terms_title { "Terms" "Masharti" "Conditions" }
    terms_time { "A plan gives the time, data, speed and number of devices that it names. Its time begins when you are online for the first time, unless it says otherwise." "Kifurushi kinatoa muda, data, kasi na idadi ya vifaa vilivyotajwa. Muda unaanza unapoingia mtandaoni mara ya kwanza, isipokuwa kimesema vingine." "Un forfait donne le temps, les données, la vitesse et les appareils indiqués. Son temps commence à la première connexion, sauf indication contraire." }
    terms_money { "You pay {business}. If money is taken and access is not given, you get the access or the money back: call the help number." "Unalipa {business}. Pesa ikikatwa bila huduma kutolewa, utapata huduma au pesa zako: piga namba ya msaada." "Vous payez {business}. Si l'argent est pris sans accès, vous recevez l'accès ou l'argent : appelez l'aide." }
    terms_data { "We keep your phone number, your device's address, and when you were online: to give you what you paid for, and as the law asks." "Tunahifadhi namba yako ya simu, anwani ya kifaa chako, na ulipokuwa mtandaoni: ili kukupa ulicholipia, na kama sheria inavyotaka." "Nous gardons votre numéro, l'adresse de votre appareil et vos heures en ligne : pour fournir ce que vous payez et selon la loi." }
    terms_law { "Do nothing on this network that the law forbids or that harms others." "Usifanye kwenye mtandao huu jambo lililokatazwa na sheria au linalodhuru wengine." "Ne faites rien sur ce réseau que la loi interdit ou qui nuit à autrui." }

    // Time and size.
    second_1 { "1 second" "sekunde 1" "1 seconde" }
    second_many { "{n} seconds" "sekunde {n}" "{n} secondes" }
    minute_1 { "1 minute" "dakika 1" "1 minute" }
    minute_many { "{n} minutes" "dakika {n}" "{n} minutes" }
    hour_1 { "1 hour" "saa 1" "1 heure" }
    hour_many { "{n} hours" "saa {n}" "{n} heures" }
    day_1 { "1 day" "siku 1" "1 jour" }
    day_many { "{n} days" "siku {n}" "{n} jours" }
    today { "today {time}" "leo {time}" "aujourd'hui {time}" }
    tomorrow { "tomorrow {time}" "kesho {time}" "demain {time}" }
    months { "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec" "Jan Feb Mac Apr Mei Jun Jul Ago Sep Okt Nov Des" "janv févr mars avr mai juin juil août sept oct nov déc" }
    data_unit { "{n} {unit}B" "{unit}B {n}" "{n} {unit}o" }
    decimal_sign { "." "." "," }
}

/// The sentences in a language.
pub(crate) fn sentences(language: Language) -> &'static Sentences {
    match language {
        Language::En => &ENGLISH,
        Language::Sw => &SWAHILI,
        Language::Fr => &FRENCH,
    }
}

/// A sentence with its blanks filled in.
pub(crate) fn fill(sentence: &str, blanks: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(sentence.len() + 16);
    let mut rest = sentence;
    // One pass, so that what is filled in is never taken for a blank itself.
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        let value = blanks.iter().find(|(blank, _)| *blank == name);
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn blanks(sentence: &str) -> BTreeSet<&str> {
        sentence
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(n, _)| n)
            .collect()
    }

    #[test]
    fn no_sentence_is_missing_in_any_language() {
        for (name, languages) in ALL {
            for sentence in languages {
                assert!(!sentence.trim().is_empty(), "`{name}` is missing in a language");
                assert_eq!(sentence.trim(), *sentence, "`{name}` has spaces around it");
                assert_eq!(blanks(sentence), blanks(languages[0]), "`{name}` lost a blank");
            }
        }
    }

    #[test]
    fn no_sentence_was_left_in_english() {
        // Words that are the same in two languages.
        let same = ["plan", "decimal_sign", "minute_1", "minute_many"];
        for (name, [en, sw, fr]) in ALL {
            let copied = en == sw || en == fr;
            assert!(!copied || same.contains(name), "`{name}` is not translated: {en}");
        }
    }

    #[test]
    fn every_language_has_twelve_months() {
        for language in [Language::En, Language::Sw, Language::Fr] {
            assert_eq!(sentences(language).months.split(' ').count(), 12);
        }
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        assert_eq!(fill("a {x} b {y}", &[("x", "{y}"), ("y", "2")]), "a {y} b 2");
        assert_eq!(fill("{ never closed", &[]), "{ never closed");
    }
}
