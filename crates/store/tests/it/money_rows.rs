//! Money in rows, as there is much of it after years. For reading plans.

use lango_domain::ids::{
    GatewayId, GrantId, Id, InboxId, MoneyId, PaymentId, PlanId, RouterId, TenantId,
};
use lango_domain::phone_number::PhoneNumber;
use lango_domain::time::{Span, Timestamp};
use lango_store::{Error, Sql, Tx, args, gateways, inbox, money_in, payments, sql};

/// Two thousand payments, most of them long over, and what was said of them.
pub(crate) async fn take_much_money(tx: &mut Tx<'_>) -> Result<(), Error> {
    const SHOP: Sql = sql!("SELECT MIN(tenant_id) FROM plans");
    const PLAN: Sql = sql!("SELECT MIN(id) FROM plans WHERE tenant_id = $1");
    const ROUTER: Sql = sql!("SELECT MIN(id) FROM routers WHERE tenant_id = $1");
    let tenant: TenantId = tx.one(SHOP, &[]).await?;
    let plan: PlanId = tx.one(PLAN, &args![tenant]).await?;
    let router: RouterId = tx.one(ROUTER, &args![tenant]).await?;
    let (gateway, now) = (GatewayId::from_raw(1), Timestamp::from_micros(1));
    gateways::insert(tx, &seeded::gateway(gateway, tenant, now)).await?;
    for number in 1..=2_000 {
        let payment = seeded::payment(number, gateway, (tenant, plan, router), now);
        payments::insert(tx, &payment).await?;
        money_in::keep(tx, &seeded::money(&payment, now)).await?;
        let letter = seeded::letter(&payment, now);
        inbox::put(tx, std::slice::from_ref(&letter)).await?;
    }
    for number in 1..=2_000 {
        let grant = GrantId::from_raw(number);
        lango_store::renewals::switch_on(tx, crate::seed::tenant_of(number), grant, now).await?;
        lango_store::renewals::put_off(tx, grant, now + Span::days(number)).await?;
    }
    for letter in inbox::claim(tx, gateway, now, now + Span::seconds(1), 1_990).await? {
        inbox::done(tx, &letter, "taken").await?;
    }
    Ok(())
}

/// Money in rows, as there is much of it after years.
mod seeded {
    use super::*;
    use lango_domain::money::{Currency, Money};
    use lango_domain::payment::{Misfit, PaymentState};
    use lango_store::gateways::Gateway;
    use lango_store::inbox::Letter;
    use lango_store::money_in::{Fate, MoneyIn};
    use lango_store::payments::Payment;

    pub(super) fn gateway(id: GatewayId, tenant: TenantId, now: Timestamp) -> Gateway {
        Gateway {
            id,
            tenant,
            name: "Paybill".to_owned(),
            provider: "daraja".to_owned(),
            currency: Currency::KES,
            settings: Vec::new(),
            door: Vec::new(),
            door_hash: b"door".to_vec(),
            place: 1,
            created_at: now,
            removed_at: None,
            compared_until: None,
            compare_at: Some(now),
            last_error: None,
            version: 1,
        }
    }

    pub(super) fn payment(
        number: i64,
        gateway: GatewayId,
        (tenant, plan, router): (TenantId, PlanId, RouterId),
        now: Timestamp,
    ) -> Payment {
        let receipt = format!("R{number}");
        Payment {
            id: PaymentId::from_raw(number),
            tenant,
            gateway,
            reference: format!("A{number}"),
            door: Vec::new(),
            door_hash: number.to_be_bytes().to_vec(),
            provider_id: Some(format!("ws_CO_{number}")),
            state: PaymentState::Paid { receipt },
            plan,
            amount: Money::new(2_000, Currency::KES),
            phone: PhoneNumber::from_e164(&format!("+2547{number:08}")).unwrap(),
            rings: false,
            customer: None,
            renews: None,
            grant: None,
            router: Some(router),
            mac: format!("02:00:00:00:{:02X}:{:02X}", number >> 8, number & 255).parse().ok(),
            address: None,
            language: lango_domain::language::Language::En,
            created_at: now,
            submitted_at: None,
            settled_at: None,
            next_attempt_at: (number % 200 == 0).then_some(now),
            attempt: 0,
            last_error: None,
            version: 1,
        }
    }

    pub(super) fn money(payment: &Payment, now: Timestamp) -> MoneyIn {
        let number = payment.id.raw();
        let waits = number % 200 == 0;
        let fate = if waits { Fate::Waiting(Misfit::UnknownAccount) } else { Fate::Used };
        MoneyIn {
            id: MoneyId::from_raw(number),
            tenant: payment.tenant,
            gateway: Some(payment.gateway),
            provider: "daraja".to_owned(),
            receipt: format!("R{number}"),
            amount: payment.amount,
            account: payment.reference.clone(),
            payer: None,
            payer_name: None,
            paid_at: now,
            heard_at: now,
            fate,
            payment: Some(payment.id),
            customer: None,
            grant: None,
            version: 1,
        }
    }

    pub(super) fn letter(payment: &Payment, now: Timestamp) -> Letter {
        Letter {
            id: InboxId::from_raw(payment.id.raw()),
            tenant: payment.tenant,
            gateway: payment.gateway,
            payment: Some(payment.id),
            door: "stk".to_owned(),
            source: "196.201.214.200".to_owned(),
            headers: "[]".to_owned(),
            body: b"{}".to_vec(),
            received_at: now,
            work_at: Some(now),
            attempt: 0,
            outcome: None,
        }
    }
}
