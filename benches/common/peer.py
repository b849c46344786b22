"""The peer of benches/stamp.rs: pyHanko signs FILE with P-256 in memory, key and picture loaded once.

Reads lines `WAY TIMES` (stamp: with the picture, 42 mm square; bare: without any), answers milliseconds of CPU for one
signature, and ends at `end`.
"""
import datetime
import io
import logging
import sys
import time

from asn1crypto import keys, x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from importlib.metadata import version
from PIL import Image
from pyhanko.pdf_utils.images import PdfImage
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.stamp import StaticStampStyle
from pyhanko_certvalidator.registry import SimpleCertificateStore

logging.disable(logging.CRITICAL)


def signer():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    start = datetime.datetime(2026, 1, 1)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    der = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(cert.public_bytes(serialization.Encoding.DER)),
        signing_key=keys.PrivateKeyInfo.load(der),
        cert_registry=SimpleCertificateStore(),
    )


with open(sys.argv[1], "rb") as file:
    DOCUMENT = file.read()
SIGNER = signer()
PICTURE = Image.open(sys.argv[2]).convert("RGBA")
# Centre 148 mm from the left and 222 mm from the top of A4, 42 mm square, in points.
BOX = (360, 153, 479, 272)


def sign(with_picture):
    style = box = None
    if with_picture:
        style = StaticStampStyle(background=PdfImage(PICTURE), background_opacity=1, border_width=0)
        box = BOX
    one = signers.PdfSigner(
        signers.PdfSignatureMetadata(field_name="Stamp1", md_algorithm="sha256"),
        signer=SIGNER,
        stamp_style=style,
        new_field_spec=fields.SigFieldSpec("Stamp1", on_page=0, box=box),
    )
    return one.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(DOCUMENT)), in_place=False).getvalue()


print("pyHanko", version("pyhanko"), flush=True)
for line in sys.stdin:
    way, times = line.split()
    if way == "end":
        break
    before = time.process_time()
    for _ in range(int(times)):
        product = sign(way == "stamp")
    after = time.process_time()
    assert product.startswith(DOCUMENT) and b"/ByteRange" in product
    print((after - before) * 1000 / int(times), flush=True)
