//! What a customer reads who is not let in, on the page of the hotspot: in his language, with what
//! to do. Plain letters, because routers show them as they come.

use super::decision::Refusal;
use lango_domain::grant::{EndReason, SuspendReason};
use lango_domain::language::Language;

/// The sentence.
pub(super) fn sentence(refusal: &Refusal, language: Language) -> String {
    use Language::{En, Fr, Sw};
    let text = match (refusal, language) {
        (Refusal::Wrong, En) => "The code or password is not right. Look at it again.",
        (Refusal::Wrong, Sw) => "Namba au nenosiri si sahihi. Tazama tena.",
        (Refusal::Wrong, Fr) => "Le code ou le mot de passe est faux. Verifiez-le.",
        (Refusal::Unpaid, En) => "This account is not paid yet. Pay to begin.",
        (Refusal::Unpaid, Sw) => "Akaunti hii bado haijalipiwa. Lipa ili uanze.",
        (Refusal::Unpaid, Fr) => "Ce compte n'est pas encore paye. Payez pour commencer.",
        (Refusal::Ended(reason), language) => ended(*reason, language),
        (Refusal::Paused, En) => "Your access is paused. Ask to have it resumed.",
        (Refusal::Paused, Sw) => "Huduma yako imesitishwa kwa muda. Omba iendelezwe.",
        (Refusal::Paused, Fr) => "Votre acces est en pause. Demandez sa reprise.",
        (Refusal::Suspended(SuspendReason::Overdue), En) => "Your bill is overdue. Pay to go on.",
        (Refusal::Suspended(SuspendReason::Overdue), Sw) => {
            "Bili yako imechelewa. Lipa ili uendelee."
        }
        (Refusal::Suspended(SuspendReason::Overdue), Fr) => {
            "Votre facture est en retard. Payez pour continuer."
        }
        (Refusal::Suspended(SuspendReason::Staff), En) => "Your access is blocked. Please call us.",
        (Refusal::Suspended(SuspendReason::Staff), Sw) => {
            "Huduma yako imezuiwa. Tafadhali tupigie."
        }
        (Refusal::Suspended(SuspendReason::Staff), Fr) => "Votre acces est bloque. Appelez-nous.",
        (Refusal::OtherPlace, En) => "This code is good at another place only.",
        (Refusal::OtherPlace, Sw) => "Namba hii inatumika mahali pengine tu.",
        (Refusal::OtherPlace, Fr) => "Ce code n'est valable qu'a un autre endroit.",
        (Refusal::TooManyDevices(count), En) => {
            return format!("{count} device(s) are online with this code. Log one out first.");
        }
        (Refusal::TooManyDevices(count), Sw) => {
            return format!("Vifaa {count} vinatumia namba hii tayari. Toa kimoja kwanza.");
        }
        (Refusal::TooManyDevices(count), Fr) => {
            return format!("{count} appareil(s) utilisent deja ce code. Deconnectez-en un.");
        }
        (Refusal::OtherDevice, En) => {
            "This code is locked to its first device. New phone or private MAC? Ask us to unlock it."
        }
        (Refusal::OtherDevice, Sw) => {
            "Namba hii ni ya kifaa cha kwanza tu. Simu mpya au MAC binafsi? Omba ifunguliwe."
        }
        (Refusal::OtherDevice, Fr) => {
            "Code lie au premier appareil. Nouveau telephone ou MAC privee ? Demandez le deblocage."
        }
        (Refusal::DeviceAlone, En) => "Please log in with your code or password.",
        (Refusal::DeviceAlone, Sw) => "Tafadhali ingia kwa namba au nenosiri lako.",
        (Refusal::DeviceAlone, Fr) => "Connectez-vous avec votre code ou mot de passe.",
        (Refusal::Closed(None), En) => "It is closed now. Come back later.",
        (Refusal::Closed(None), Sw) => "Imefungwa sasa. Rudi baadaye.",
        (Refusal::Closed(None), Fr) => "C'est ferme maintenant. Revenez plus tard.",
        (Refusal::Closed(Some((day, time))), language) => {
            let day = weekday(*day, language);
            return match language {
                En => format!("It is closed at this hour. It opens on {day} at {time}."),
                Sw => format!("Saa hizi imefungwa. Itafunguliwa {day} saa {time}."),
                Fr => format!("C'est ferme a cette heure. Ouverture {day} a {time}."),
            };
        }
    };
    text.to_owned()
}

/// A day of the week, Monday being 0.
fn weekday(day: usize, language: Language) -> &'static str {
    let days = match language {
        Language::En => {
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        }
        Language::Sw => {
            ["Jumatatu", "Jumanne", "Jumatano", "Alhamisi", "Ijumaa", "Jumamosi", "Jumapili"]
        }
        Language::Fr => ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    };
    days[day % 7]
}

fn ended(reason: EndReason, language: Language) -> &'static str {
    use Language::{En, Fr, Sw};
    match (reason, language) {
        (EndReason::DataUsedUp, En) => "Your data is used up. Buy more to go on.",
        (EndReason::DataUsedUp, Sw) => "Data yako imeisha. Nunua zaidi ili uendelee.",
        (EndReason::DataUsedUp, Fr) => "Vos donnees sont epuisees. Achetez-en pour continuer.",
        (EndReason::NeverUsed | EndReason::NeverActivated, En) => {
            "This code was not used in time and lapsed."
        }
        (EndReason::NeverUsed | EndReason::NeverActivated, Sw) => {
            "Namba hii haikutumika kwa wakati na imeisha."
        }
        (EndReason::NeverUsed | EndReason::NeverActivated, Fr) => {
            "Ce code n'a pas ete utilise a temps et a expire."
        }
        (EndReason::Terminated, En) => "This account was closed.",
        (EndReason::Terminated, Sw) => "Akaunti hii imefungwa.",
        (EndReason::Terminated, Fr) => "Ce compte a ete ferme.",
        (_, En) => "Your time is over. Buy more to go on.",
        (_, Sw) => "Muda wako umeisha. Nunua zaidi ili uendelee.",
        (_, Fr) => "Votre temps est termine. Achetez-en pour continuer.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_short_plain_and_of_its_language() {
        let mut refusals = vec![
            Refusal::Wrong,
            Refusal::Unpaid,
            Refusal::Paused,
            Refusal::OtherPlace,
            Refusal::TooManyDevices(3),
            Refusal::OtherDevice,
            Refusal::DeviceAlone,
            Refusal::Closed(None),
            Refusal::Suspended(SuspendReason::Overdue),
            Refusal::Suspended(SuspendReason::Staff),
        ];
        refusals.extend(EndReason::ALL.map(Refusal::Ended));
        refusals.extend((0..7).map(|day| Refusal::Closed(Some((day, "08:00".to_owned())))));
        for refusal in refusals {
            let said = [Language::En, Language::Sw, Language::Fr]
                .map(|language| sentence(&refusal, language));
            assert!(said.iter().all(|text| text.is_ascii() && text.len() <= 100), "{said:?}");
            assert!(said[0] != said[1] && said[1] != said[2] && said[0] != said[2], "{said:?}");
        }
    }
}
