//! SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 5480; SM2 as id-ecPublicKey with the SM2 curve, GM/T 0006).

use super::X509Error;
use crate::{
    der::{self, Reader, Tlv, tag},
    oid,
    sign::PublicKey,
    sm2,
};

/// Reads a SubjectPublicKeyInfo element. `None`: a kind of key that is unknown here. An error: a known kind, and no key of it.
pub fn read_public_key(element: &Tlv<'_>) -> Result<Option<PublicKey>, X509Error> {
    let mut fields = element.reader();
    let mut algorithm = fields.sequence()?;
    let key = fields.bits()?;
    fields.finish()?;
    let id = algorithm.oid()?;
    if id == oid::EC_PUBLIC_KEY {
        return if algorithm.peek() == Some(tag::OID) { curve_key(&algorithm.oid()?, key) } else { Ok(None) };
    }
    if id == oid::RSA {
        return rsa_key(key).map(Some);
    }
    if id == oid::ED25519 {
        return if key.len() == 32 { Ok(Some(PublicKey::Ed25519(key.into()))) } else { Err(X509Error::Key) };
    }
    Ok(None)
}

fn curve_key(curve: &oid::Oid, point: &[u8]) -> Result<Option<PublicKey>, X509Error> {
    let of_length =
        |octets| if point.len() == octets && point[0] == 4 { Ok(point.into()) } else { Err(X509Error::Key) };
    if *curve == oid::SM2_CURVE {
        let key = sm2::PublicKey::from_sec1(point).map_err(|_| X509Error::Key)?;
        return Ok(Some(PublicKey::Sm2(key)));
    }
    if *curve == oid::P256 {
        return of_length(65).map(PublicKey::P256).map(Some);
    }
    if *curve == oid::P384 {
        return of_length(97).map(PublicKey::P384).map(Some);
    }
    Ok(None)
}

/// RSAPublicKey `SEQUENCE { n, e }`; size and oddness are judged when it is used.
fn rsa_key(octets: &[u8]) -> Result<PublicKey, X509Error> {
    let mut fields = Reader::whole(octets, tag::SEQUENCE)?.reader();
    fields.integer()?;
    fields.integer()?;
    fields.finish()?;
    Ok(PublicKey::Rsa(octets.into()))
}

/// The SubjectPublicKeyInfo of a key.
pub fn write_public_key(key: &PublicKey) -> Vec<u8> {
    let (algorithm, octets) = match key {
        PublicKey::Sm2(key) => (curve(&oid::SM2_CURVE), &key.sec1()[..]),
        PublicKey::P256(point) => (curve(&oid::P256), &**point),
        PublicKey::P384(point) => (curve(&oid::P384), &**point),
        PublicKey::Rsa(rsa) => (der::sequence([der::oid(&oid::RSA), der::null()]), &**rsa),
        PublicKey::Ed25519(octets) => (der::sequence([der::oid(&oid::ED25519)]), &**octets),
    };
    der::sequence([algorithm, der::bit_string(octets)])
}

fn curve(curve: &oid::Oid) -> Vec<u8> {
    der::sequence([der::oid(&oid::EC_PUBLIC_KEY), der::oid(curve)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_points_off_the_curve_are_refused() {
        let key = PublicKey::Sm2(sm2::PrivateKey::from_bytes(&[7; 32]).unwrap().public_key());
        let mut written = write_public_key(&key);
        let read = |bytes: &[u8]| read_public_key(&Reader::whole(bytes, tag::SEQUENCE).unwrap());
        assert_eq!(read(&written), Ok(Some(key)));
        *written.last_mut().unwrap() ^= 1;
        assert_eq!(read(&written), Err(X509Error::Key));
    }

    #[test]
    fn an_unknown_kind_is_no_error() {
        let odd = der::sequence([der::sequence([der::oid(&oid::SM3)]), der::bit_string(b"key")]);
        assert_eq!(read_public_key(&Reader::whole(&odd, tag::SEQUENCE).unwrap()), Ok(None));
    }
}
