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
    help_call { "Help: {phone}" "Msaada: {phone}" "Aide\u{a0}: {phone}" }
    help_desk { "Help: ask where you buy access here" "Msaada: uliza mahali unaponunulia huduma" "Aide\u{a0}: demandez là où vous achetez l'accès" }
    paid_not_connected { "Paid but not connected?" "Umelipa lakini hujaunganishwa?" "Payé mais pas connecté\u{a0}?" }
    to_plans { "All plans" "Vifurushi vyote" "Tous les forfaits" }
    terms { "Terms" "Masharti" "Conditions" }
    language { "Language" "Lugha" "Langue" }

    // Plans.
    plans_title { "Get online" "Ingia mtandaoni" "Se connecter à Internet" }
    choose_plan { "Choose a plan" "Chagua kifurushi" "Choisissez un forfait" }
    pay_phone { "Phone number to pay from" "Namba ya simu ya kulipia" "Numéro de téléphone pour payer" }
    pay_hint { "A message on that phone asks for your PIN. Never type it on this page." "Ujumbe kwenye simu hiyo utakuomba PIN. Kamwe usiiweke kwenye ukurasa huu." "Un message sur ce téléphone vous demandera votre code PIN. Ne le tapez jamais sur cette page." }
    pay_known { "Leave empty to pay from the number ending in {phone}." "Acha wazi ili kulipa kwa namba inayoishia na {phone}." "Laissez vide pour payer avec le numéro qui finit par {phone}." }
    pay { "Pay" "Lipa" "Payer" }
    devices_1 { "1 device" "kifaa 1" "1 appareil" }
    devices_many { "{n} devices" "vifaa {n}" "{n} appareils" }
    vouchers_many { "{n} vouchers" "vocha {n}" "{n} bons" }
    speed_up_to { "up to {speed}" "hadi {speed}" "jusqu'à {speed}" }
    counted_online { "counts only while online" "unahesabiwa ukiwa mtandaoni tu" "compté en ligne seulement" }
    until_day { "until {end}" "hadi {end}" "fin\u{a0}: {end}" }
    free { "free" "bure" "gratuit" }
    no_limit { "no limit" "bila kikomo" "sans limite" }
    nothing_for_sale { "No plan is sold here at the moment. You can use a voucher." "Hakuna kifurushi kinachouzwa hapa kwa sasa. Unaweza kutumia vocha." "Aucun forfait n'est vendu ici en ce moment. Vous pouvez utiliser un bon." }
    not_on_wifi { "We cannot see your device: open this page by joining our Wi-Fi. If you pay now, you get a code by SMS." "Hatuoni kifaa chako: jiunge na Wi-Fi yetu ili ufungue ukurasa huu. Ukilipa sasa, utapata msimbo kwa SMS." "Nous ne voyons pas votre appareil\u{a0}: rejoignez notre Wi-Fi pour ouvrir cette page. Si vous payez maintenant, vous recevrez un code par SMS." }
    phone_wrong { "That is not a phone number. Write it like {example}." "Hii si namba ya simu. Iandike hivi: {example}." "Ce n'est pas un numéro de téléphone. Écrivez-le ainsi\u{a0}: {example}." }
    plan_wrong { "Choose one of these plans." "Chagua kimojawapo kati ya vifurushi hivi." "Choisissez l'un de ces forfaits." }
    router_said { "The Wi-Fi said: {error}" "Wi-Fi ilisema: {error}" "Le Wi-Fi a répondu\u{a0}: {error}" }
    notice_router { "The Wi-Fi here is not answering at the moment. You can still pay: your time begins only when you are online." "Wi-Fi ya hapa haijibu kwa sasa. Bado unaweza kulipa: muda wako utaanza ukishaingia mtandaoni." "Le Wi-Fi ne répond pas en ce moment. Vous pouvez quand même payer\u{a0}: votre temps ne commence qu'une fois en ligne." }

    go_ahead { "Continue" "Endelea" "Continuer" }
    trial_once { "once for each phone" "mara moja kwa kila simu" "une fois par téléphone" }
    trial_had { "This device or this number has already had the free trial. Choose a plan to buy." "Kifaa hiki au namba hii ilishapata jaribio la bure. Chagua kifurushi cha kununua." "Cet appareil ou ce numéro a déjà eu l'essai gratuit. Choisissez un forfait à acheter." }
    usable_in { "works {hours}" "kinafanya kazi {hours}" "valable {hours}" }
    sold_until { "on sale until {until}" "kinauzwa hadi {until}" "fin de vente\u{a0}: {until}" }
    sold_later { "{plan}, {price}: on sale from {from}" "{plan}, {price}: kitauzwa kuanzia {from}" "{plan}, {price}\u{a0}: en vente dès {from}" }
    pay_by { "Pay with" "Lipa kwa" "Payer par" }
    by_number { "Automatic, by the number" "Moja kwa moja, kulingana na namba" "Automatique, selon le numéro" }
    pay_from_wallet { "Pay from your balance of {amount}" "Lipa kwa salio lako la {amount}" "Payer avec votre solde de {amount}" }
    wallet_short { "Your balance does not cover this plan. Choose another, or pay by phone." "Salio lako halitoshi kifurushi hiki. Chagua kingine, au lipa kwa simu." "Votre solde ne couvre pas ce forfait. Choisissez-en un autre, ou payez par téléphone." }
    adds_to { "You already have {plan}. What you buy by phone is added to it." "Tayari una {plan}. Utakachonunua kwa simu kitaongezwa juu yake." "Vous avez déjà {plan}. Ce que vous achetez par téléphone s'y ajoute." }

    // Waiting for money.
    wait_title { "Waiting for your payment" "Tunasubiri malipo yako" "En attente de votre paiement" }
    wait_look { "Look at the phone {phone}. A message asks for your PIN: type it there." "Angalia simu {phone}. Ujumbe unakuomba PIN: iweke kwenye simu hiyo." "Regardez le téléphone {phone}. Un message demande votre code PIN\u{a0}: tapez-le sur ce téléphone." }
    amount { "Amount" "Kiasi" "Montant" }
    plan { "Plan" "Kifurushi" "Forfait" }
    order { "Order" "Namba ya oda" "Commande" }
    wait_moves { "This page goes on by itself." "Ukurasa huu utaendelea wenyewe." "Cette page s'actualise toute seule." }
    wait_slow { "No message on the phone? Check that it has signal and is not in a call, then send it again. You pay only once." "Hakuna ujumbe kwenye simu? Hakikisha ina mtandao na haiko kwenye maongezi, kisha tuma tena. Utalipa mara moja tu." "Pas de message\u{a0}? Vérifiez que le téléphone a du réseau et n'est pas en appel, puis renvoyez. Vous ne payez qu'une fois." }
    send_again { "Send again" "Tuma tena" "Renvoyer" }
    wait_long { "Not confirmed yet. Do not pay again. We keep checking: when the money arrives, you are connected or get a code by SMS." "Malipo bado hayajathibitishwa. Usilipe tena. Tunaendelea kuangalia: pesa ikifika, utaunganishwa au utapata msimbo kwa SMS." "Pas encore confirmé. Ne payez pas de nouveau. Nous continuons à vérifier\u{a0}: dès que l'argent arrive, vous êtes connecté ou recevez un code par SMS." }
    failed_title { "Not paid" "Malipo hayajafanyika" "Paiement non effectué" }
    failed_cancelled { "You cancelled the payment on the phone. No money was taken." "Ulighairi malipo kwenye simu. Hakuna pesa iliyokatwa." "Vous avez annulé le paiement sur le téléphone. Rien n'a été débité." }
    failed_no_answer { "The phone did not answer in time. No money was taken." "Simu haikujibu kwa wakati. Hakuna pesa iliyokatwa." "Le téléphone n'a pas répondu à temps. Rien n'a été débité." }
    failed_low_balance { "There is not enough money on that phone. No money was taken." "Salio la simu hiyo halitoshi. Hakuna pesa iliyokatwa." "Le solde de ce téléphone ne suffit pas. Rien n'a été débité." }
    failed_wrong_pin { "The PIN was wrong. No money was taken." "PIN haikuwa sahihi. Hakuna pesa iliyokatwa." "Le code PIN était incorrect. Rien n'a été débité." }
    failed_busy { "The phone was busy with another payment. Wait a minute, then try again." "Simu ilikuwa inashughulikia malipo mengine. Subiri dakika moja, kisha jaribu tena." "Le téléphone traitait un autre paiement. Attendez une minute, puis réessayez." }
    failed_other { "The payment was refused. No money was taken. Try again, or pay from another phone." "Malipo yamekataliwa. Hakuna pesa iliyokatwa. Jaribu tena, au lipa kwa simu nyingine." "Le paiement a été refusé. Rien n'a été débité. Réessayez, ou payez avec un autre téléphone." }
    try_again { "Try again" "Jaribu tena" "Réessayer" }
    review { "Your money arrived, but a person has to check it. Ask for help and give this order code." "Pesa yako imefika, lakini lazima mtu aihakiki. Omba msaada na utaje namba hii ya oda." "Votre argent est arrivé, mais une personne doit le vérifier. Demandez de l'aide en donnant ce code de commande." }

    // Being connected.
    connecting_title { "Connecting you" "Tunakuunganisha" "Connexion en cours" }
    connecting { "This takes a few seconds." "Itachukua sekunde chache." "Cela prend quelques secondes." }
    connecting_slow { "The Wi-Fi has not answered yet. We keep trying. Your time begins only when you are online." "Wi-Fi bado haijajibu. Tunaendelea kujaribu. Muda wako utaanza ukishaingia mtandaoni." "Le Wi-Fi n'a pas encore répondu. Nous continuons d'essayer. Votre temps ne commence qu'une fois en ligne." }
    one_more { "One more step" "Hatua moja zaidi" "Encore une étape" }
    hand_over { "If nothing happens, tap here" "Kama hakuna kinachotokea, gusa hapa" "Si rien ne se passe, touchez ici" }

    // Online.
    online_title { "You are online" "Umeunganishwa" "Vous êtes en ligne" }
    time_left { "Time left" "Muda uliobaki" "Temps restant" }
    data_left { "Data left" "Data iliyobaki" "Données restantes" }
    ends { "Ends" "Unaisha" "Fin" }
    begins_at_use { "begins when you are online" "utaanza ukiingia mtandaoni" "commence quand vous êtes en ligne" }
    your_code { "Your code" "Msimbo wako" "Votre code" }
    keep_code { "Keep it: with it you can come back at any time, even on another phone." "Uhifadhi: utakuwezesha kurudi wakati wowote, hata kwa simu nyingine." "Gardez-le\u{a0}: il vous permet de revenir à tout moment, même sur un autre téléphone." }
    go_on { "Go on to the internet" "Endelea kwenye mtandao" "Continuer sur Internet" }
    go_to { "Go on to {host}" "Endelea kwenye {host}" "Continuer vers {host}" }
    add_device { "To connect another device: join this Wi-Fi with it and type this code as a voucher." "Ili kuunganisha kifaa kingine: kiunganishe na Wi-Fi hii, kisha andika msimbo huu kama vocha." "Pour un autre appareil\u{a0}: connectez-le à ce Wi-Fi et tapez ce code comme un bon." }
    to_status { "My access" "Huduma yangu" "Mon accès" }

    // Vouchers.
    have_voucher { "Have a voucher?" "Una vocha?" "Vous avez un bon\u{a0}?" }
    voucher_title { "Use a voucher" "Tumia vocha" "Utiliser un bon" }
    voucher_code { "Voucher code" "Namba ya vocha" "Code du bon" }
    voucher_hint { "8 letters and digits, for example ABCD\u{2011}EFGH" "Herufi na tarakimu 8, kwa mfano ABCD\u{2011}EFGH" "8 lettres et chiffres, par exemple ABCD\u{2011}EFGH" }
    use_voucher { "Use voucher" "Tumia vocha" "Utiliser le bon" }
    code_typing { "There is a typing mistake. Check the code again, letter by letter." "Kuna kosa la kuandika. Angalia namba tena, herufi kwa herufi." "Il y a une faute de frappe. Relisez le code, caractère par caractère." }
    code_never { "Our codes never contain 0, O, 1, I or L. Look at that sign again." "Vocha zetu hazina kamwe 0, O, 1, I wala L. Iangalie tena herufi hiyo." "Nos codes ne contiennent jamais 0, O, 1, I ni L. Regardez encore ce caractère." }
    code_unknown { "We do not know this code here." "Hatuitambui namba hii hapa." "Ce code est inconnu ici." }
    code_over { "This code is used up." "Namba hii imeshatumika." "Ce code est épuisé." }
    code_unpaid { "Nobody has paid for this access yet." "Huduma hii bado haijalipiwa." "Cet accès n'est pas encore payé." }
    code_barred { "This access is barred. Ask for help." "Huduma hii imezuiwa. Omba msaada." "Cet accès est bloqué. Demandez de l'aide." }
    code_paused { "This access is paused. Ask for help to go on." "Huduma hii imesimamishwa. Omba msaada ili uendelee." "Cet accès est en pause. Demandez de l'aide pour continuer." }
    code_elsewhere { "This code works at another of our places, not here." "Namba hii inafanya kazi kwenye tawi letu lingine, si hapa." "Ce code est valable dans un autre de nos lieux, pas ici." }
    too_many { "Too many wrong codes from here. Try again in {wait}." "Namba zisizo sahihi ni nyingi mno kutoka hapa. Jaribu tena baada ya {wait}." "Trop de codes incorrects d'ici. Réessayez dans {wait}." }
    join_first { "First join the Wi-Fi, then tap the button." "Kwanza jiunge na Wi-Fi, kisha gusa kitufe." "Rejoignez d'abord le Wi-Fi, puis touchez le bouton." }
    move_title { "In use on another device" "Inatumika kwenye kifaa kingine" "Utilisé sur un autre appareil" }
    move_text { "This access is in use on another device. Use it here and disconnect the other one?" "Huduma hii inatumika kwenye kifaa kingine. Je, uitumie hapa na kukikata kile kingine?" "Cet accès est utilisé sur un autre appareil. Voulez-vous l'utiliser ici et déconnecter l'autre\u{a0}?" }
    move_here { "Use it here" "Tumia hapa" "Utiliser ici" }

    // Paid but not connected.
    recover_title { "Paid but not connected?" "Umelipa lakini hujaunganishwa?" "Payé mais pas connecté\u{a0}?" }
    recover_field { "Receipt code, or the phone number that paid" "Namba ya risiti, au namba ya simu iliyolipa" "Code du reçu, ou numéro de téléphone qui a payé" }
    recover_hint { "The receipt code is in the SMS about your payment, for example TKL4X7Y2QP." "Namba ya risiti iko kwenye SMS ya malipo yako, kwa mfano TKL4X7Y2QP." "Le code du reçu est dans le SMS de votre paiement, par exemple TKL4X7Y2QP." }
    recover_go { "Connect me" "Niunganishe" "Me connecter" }
    recover_empty { "Type a receipt code or a phone number." "Andika namba ya risiti au namba ya simu." "Tapez un code de reçu ou un numéro de téléphone." }
    recover_not_seen { "We have not seen this payment yet. Do not pay again: we keep looking, and you can try again in a minute." "Bado hatujaona malipo haya. Usilipe tena: tunaendelea kuangalia, jaribu tena baada ya dakika moja." "Nous n'avons pas encore vu ce paiement. Ne payez pas de nouveau\u{a0}: nous continuons à chercher, réessayez dans une minute." }
    recover_used_up { "This payment was found, but what it bought is used up." "Malipo haya yamepatikana, lakini kilichonunuliwa kimekwisha." "Ce paiement a été trouvé, mais ce qu'il a acheté est épuisé." }
    recover_review { "This payment was found, but a person has to check it. Ask for help." "Malipo haya yamepatikana, lakini lazima mtu ayahakiki. Omba msaada." "Ce paiement a été trouvé, mais une personne doit le vérifier. Demandez de l'aide." }
    sent_title { "Look at your messages" "Angalia ujumbe wako" "Regardez vos messages" }
    sent_text { "If {phone} paid here, a code is on its way to it by SMS. Type the code here. No SMS within a minute? Then we have not seen the payment yet: do not pay again." "Kama {phone} ililipa hapa, itapokea msimbo kwa SMS. Andika msimbo huo hapa. Hujapata SMS ndani ya dakika moja? Basi bado hatujaona malipo: usilipe tena." "Si {phone} a payé ici, ce numéro reçoit un code par SMS. Tapez le code ici. Pas de SMS après une minute\u{a0}? Nous n'avons pas encore vu le paiement\u{a0}: ne payez pas de nouveau." }

    // My access.
    status_title { "My access" "Huduma yangu" "Mon accès" }
    status_none { "This device has no access at the moment." "Kifaa hiki hakina huduma kwa sasa." "Cet appareil n'a pas d'accès en ce moment." }
    state { "State" "Hali" "État" }
    state_online { "online" "mtandaoni" "en ligne" }
    state_ready { "ready, not online" "iko tayari, haiko mtandaoni" "prêt, pas en ligne" }
    state_unused { "not used yet" "haijatumika bado" "pas encore utilisé" }
    state_slow { "online, data used up: slow" "mtandaoni, data imekwisha: polepole" "en ligne, données épuisées\u{a0}: lent" }
    state_grace { "over, still online for a while" "imekwisha, bado mtandaoni kwa muda" "terminé, encore en ligne un moment" }
    state_paused { "paused" "imesimamishwa" "en pause" }
    state_barred { "barred" "imezuiwa" "bloqué" }
    state_ended { "over" "imekwisha" "terminé" }
    renew { "Buy more time" "Ongeza muda" "Acheter du temps" }
    log_in { "Connect this device" "Unganisha kifaa hiki" "Connecter cet appareil" }
    log_out { "Log out" "Toka" "Se déconnecter" }
    logged_out { "You are logged out. What is left stays yours." "Umetoka. Kilichobaki bado ni chako." "Vous êtes déconnecté. Ce qui reste est toujours à vous." }
    devices { "Devices" "Vifaa" "Appareils" }
    this_device { "this device" "kifaa hiki" "cet appareil" }
    receipts { "Receipts" "Risiti" "Reçus" }

    // Trouble.
    trouble_title { "That did not work" "Haikufanikiwa" "Cela n'a pas marché" }
    trouble_router { "The Wi-Fi is not answering. We keep trying; nothing that you paid is lost. Try again in a minute." "Wi-Fi haijibu. Tunaendelea kujaribu; hujapoteza ulicholipa. Jaribu tena baada ya dakika moja." "Le Wi-Fi ne répond pas. Nous continuons d'essayer\u{a0}; ce que vous avez payé n'est pas perdu. Réessayez dans une minute." }
    trouble_money { "Payment by phone is not possible at the moment. No money was taken. Use a voucher, or try again later." "Malipo kwa simu hayawezekani kwa sasa. Hakuna pesa iliyokatwa. Tumia vocha, au jaribu tena baadaye." "Le paiement par téléphone est impossible en ce moment. Rien n'a été débité. Utilisez un bon, ou réessayez plus tard." }
    trouble_expired { "Your access is over. Choose a plan to go on." "Huduma yako imekwisha. Chagua kifurushi ili uendelee." "Votre accès est terminé. Choisissez un forfait pour continuer." }
    trouble_barred { "This access is barred. Ask for help." "Huduma hii imezuiwa. Omba msaada." "Cet accès est bloqué. Demandez de l'aide." }
    trouble_elsewhere { "This access works at another of our places, not here." "Huduma hii inafanya kazi kwenye tawi letu lingine, si hapa." "Cet accès est valable dans un autre de nos lieux, pas ici." }
    trouble_closed { "This plan does not work at this hour. It works again in its own hours." "Kifurushi hiki hakifanyi kazi saa hii. Kitafanya kazi tena ndani ya saa zake." "Ce forfait ne fonctionne pas à cette heure. Il fonctionnera de nouveau à ses heures." }
    trouble_locked { "This access belongs to another device. Ask for help to move it." "Huduma hii ni ya kifaa kingine. Omba msaada ili ihamishwe." "Cet accès est lié à un autre appareil. Demandez de l'aide pour le déplacer." }
    trouble_busy { "Too many requests from here. Wait a moment, then try again." "Maombi ni mengi mno kutoka hapa. Subiri kidogo, kisha jaribu tena." "Trop de demandes d'ici. Attendez un peu, puis réessayez." }
    trouble_asked { "That phone is being asked for another payment, or was asked too often. Answer what it shows, wait a few minutes, then try again. No money was taken." "Simu hiyo inaombwa malipo mengine, au imeombwa mara nyingi mno. Jibu inachoonyesha, subiri dakika chache, kisha jaribu tena. Hakuna pesa iliyokatwa." "Ce téléphone traite un autre paiement, ou a été sollicité trop souvent. Répondez à ce qu'il affiche, attendez quelques minutes, puis réessayez. Rien n'a été débité." }
    trouble_place { "We do not know this place. Join the Wi-Fi again and open the page that it shows." "Hatutambui mahali hapa. Jiunge na Wi-Fi tena na ufungue ukurasa utakaoonyeshwa." "Nous ne reconnaissons pas ce lieu. Rejoignez le Wi-Fi et ouvrez la page qu'il affiche." }
    trouble_unseen { "We cannot see your device. Join the Wi-Fi again and open the page that it shows." "Hatuoni kifaa chako. Jiunge na Wi-Fi tena na ufungue ukurasa utakaoonyeshwa." "Nous ne voyons pas votre appareil. Rejoignez le Wi-Fi et ouvrez la page qu'il affiche." }
    trouble_ours { "Something failed on our side. Nothing that you paid is lost. Try again in a minute." "Kuna hitilafu upande wetu. Hujapoteza ulicholipa. Jaribu tena baada ya dakika moja." "Une erreur s'est produite de notre côté. Ce que vous avez payé n'est pas perdu. Réessayez dans une minute." }
    support_code { "Code to give when you ask for help" "Namba ya kutaja unapoomba msaada" "Code à donner si vous demandez de l'aide" }

    // Terms.
    terms_title { "Terms" "Masharti" "Conditions" }
    terms_time { "A plan gives the time, data, speed and number of devices that it names. Its time begins when you are online for the first time, unless it says otherwise." "Kifurushi kinatoa muda, data, kasi na idadi ya vifaa vilivyotajwa. Muda unaanza unapoingia mtandaoni mara ya kwanza, isipokuwa kama imeelezwa vingine." "Un forfait donne le temps, les données, la vitesse et le nombre d'appareils indiqués. Son temps commence à la première connexion, sauf indication contraire." }
    terms_money { "You pay {business}. If money is taken and access is not given, you get the access or the money back: ask for help." "Unalipa kwa {business}. Pesa ikikatwa bila huduma kutolewa, utapata huduma au utarudishiwa pesa: omba msaada." "Vous payez {business}. Si l'argent est débité sans que l'accès soit donné, vous recevez l'accès ou l'argent\u{a0}: demandez de l'aide." }
    terms_data { "We keep your phone number, your device's address, and when you were online: to give you what you paid for, and as the law asks." "Tunahifadhi namba yako ya simu, anwani ya kifaa chako, na nyakati ulizokuwa mtandaoni: ili kukupa ulicholipia, na kama sheria inavyotaka." "Nous gardons votre numéro, l'adresse de votre appareil et vos heures en ligne\u{a0}: pour fournir ce que vous payez, et comme la loi le demande." }
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
    weekdays { "Mo Tu We Th Fr Sa Su" "Jtt Jnn Jtn Alh Iju Jms Jpl" "lu ma me je ve sa di" }
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

    /// Otherwise a line may begin with it. (Imprimerie nationale: « espace insécable ».)
    #[test]
    fn no_french_sign_is_parted_from_its_word() {
        for (name, [_, _, french]) in ALL {
            for sign in [':', ';', '?', '!'] {
                let apart = french.contains(&format!(" {sign}"));
                assert!(!apart, "`{name}`: write \\u{{a0}} before {sign}");
            }
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
